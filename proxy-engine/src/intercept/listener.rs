//! Listening sockets, as the broker opens them for the engine and the engine for itself.

use std::io;
use std::net::{SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted: a node that starts its pods opens many at once.
const BACKLOG: i32 = 1024;

/// Whose connections a listener takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Families {
    /// Those of its address, so that a listener of the other family can have the same port.
    #[default]
    Own,
    /// At `[::]`, those of IPv4 too.
    Both,
}

/// A non-blocking listener on `address`, which need not exist yet (`IP_FREEBIND`): `docker0` may
/// come after us.
///
/// # Errors
/// What the kernel says: `AddrInUse`, `PermissionDenied` for a port below 1024, …
pub(crate) fn open(address: SocketAddr, families: Families) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A port in TIME_WAIT must not keep a restarted engine out. On Windows this option would let
    // two programs take one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::Own)?;
    }
    #[cfg(target_os = "linux")]
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
