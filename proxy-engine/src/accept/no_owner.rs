//! Nobody can be asked here whose a connection is: credentials go to none that would need it.

use std::io;
use std::net::SocketAddr;

/// A socket that a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "none is ever known here")]
pub(super) struct Held {
    /// The user's number.
    pub(super) uid: u32,
    /// The socket's own number.
    pub(super) inode: u32,
}

/// As on Linux, where the kernel knows.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`], always.
pub(super) fn held(_client: SocketAddr, _ours: SocketAddr) -> io::Result<Option<Held>> {
    Err(io::ErrorKind::Unsupported.into())
}
