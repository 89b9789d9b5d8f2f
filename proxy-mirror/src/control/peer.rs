//! Who is at the other end of a Unix socket.

use std::io;
use std::os::fd::AsFd;

/// User and process at the other end, as they were when it connected (`SO_PEERCRED`, unix(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) pid: u32,
}

/// Asks the kernel about `socket`'s other end.
pub(super) fn of(socket: impl AsFd) -> io::Result<Peer> {
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(Peer {
        uid: credentials.uid.as_raw(),
        pid: credentials.pid.as_raw_nonzero().get().unsigned_abs(),
    })
}

impl Peer {
    /// Whether it may speak for this user: the same one, or root.
    pub(super) fn is_trusted(self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }
}
