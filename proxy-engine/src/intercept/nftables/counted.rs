//! How often the table sent a connection to the listener, and how often one came through.

use std::io;

use super::constants::{INET, LIST_ELEMENT, SUBSYSTEM, TABLE, message as m, rule};
use crate::intercept::netlink::{NetlinkSocket, attributes};

/// Opening segments since the rules were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Sent to the listener.
    pub(crate) sent: u64,
    /// Let through by every rule about what comes in.
    pub(crate) arrived: u64,
}

/// Asks the kernel; it needs no privilege beyond that of whoever wrote the table.
pub(crate) fn counted(table: &str) -> io::Result<Counted> {
    let socket = NetlinkSocket::open(Some(rustix::net::netlink::NETFILTER), 0)?;
    // `struct nfgenmsg`, and the one table whose rules are wanted.
    let mut head = vec![INET, 0, 0, 0];
    let length = u16::try_from(table.len() + 5).map_err(io::Error::other)?;
    head.extend(length.to_ne_bytes());
    head.extend(TABLE.to_ne_bytes());
    head.extend(table.as_bytes());
    head.push(0);
    let mut counted = Counted::default();
    socket.list(SUBSYSTEM << 8 | m::GET_RULE, &head, |_, body| {
        let attribute = |wanted| {
            attributes(body.get(4..).unwrap_or_default())
                .find(|(kind, _)| *kind == wanted)
                .map(|(_, value)| value)
        };
        if attribute(TABLE).and_then(|name| name.strip_suffix(&[0])) != Some(table.as_bytes()) {
            return;
        }
        let packets = attribute(rule::EXPRESSIONS).map_or(0, packets);
        match attribute(rule::CHAIN) {
            Some(b"arrived\0") => counted.arrived += packets,
            _ => counted.sent += packets,
        }
    })?;
    Ok(counted)
}

/// The packets that the counter among these expressions has seen.
fn packets(expressions: &[u8]) -> u64 {
    /// `NFTA_COUNTER_PACKETS`.
    const PACKETS: u16 = 2;
    let find = |bytes, wanted| {
        attributes(bytes)
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    };
    attributes(expressions)
        .filter(|(kind, _)| *kind == LIST_ELEMENT)
        .filter(|(_, one)| find(one, rule::EXPRESSION_NAME) == Some(b"counter\0"))
        .filter_map(|(_, one)| find(find(one, rule::EXPRESSION_DATA)?, PACKETS))
        .filter_map(|number| Some(u64::from_be_bytes(number.try_into().ok()?)))
        .sum()
}
