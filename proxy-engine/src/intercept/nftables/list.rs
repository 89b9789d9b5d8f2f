//! Which tables of ours the kernel has: to prove that none is left.

use std::io;

use super::constants::{SUBSYSTEM, TABLE, message as m};
use crate::intercept::netlink::{NetlinkSocket, attributes};

/// The names of all tables in this network namespace that an engine or broker of ours holds: one a
/// holder, whose tables of every family bear the same.
///
/// # Errors
/// The kernel's: without `CAP_NET_ADMIN` it does not answer.
pub fn tables_of_ours() -> io::Result<Vec<String>> {
    let socket = NetlinkSocket::open(Some(rustix::net::netlink::NETFILTER), 0)?;
    let mut tables = Vec::new();
    // `struct nfgenmsg`: every family, version 0, no resource.
    socket.list(SUBSYSTEM << 8 | m::GET_TABLE, &[0; 4], |_, body| {
        tables.extend(name(body));
    })?;
    tables.sort_unstable();
    tables.dedup();
    Ok(tables)
}

fn name(body: &[u8]) -> Option<String> {
    let (_, name) = attributes(body.get(4..)?).find(|(kind, _)| *kind == TABLE)?;
    let name = String::from_utf8_lossy(name.strip_suffix(&[0])?).into_owned();
    name.starts_with("gangway-").then_some(name)
}
