//! Listening sockets, as the broker opens them for the engine and the engine for itself.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted: a node that starts its pods opens many at once.
const BACKLOG: i32 = 1024;

/// A non-blocking listener on `address`, which need not exist yet (`IP_FREEBIND`): `docker0` may
/// come after us. An IPv6 listener takes IPv6 alone, so that both families can have the same port.
///
/// # Errors
/// What the kernel says: `AddrInUse`, `PermissionDenied` for a port below 1024, …
pub(crate) fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // On Windows this option would let two programs take one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
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
