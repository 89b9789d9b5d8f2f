//! Who speaks on a Unix socket: what the kernel kept of it when they connected (unix(7)).
//!
//! Nothing is looked up by process id: a process may have gone, changed its groups, or be another
//! one by then.

use std::io;

use tokio::net::UnixStream;

mod groups;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its user.
    pub(super) uid: u32,
    /// Its groups, the primary one first.
    pub(super) groups: Vec<u32>,
}

/// Asks the kernel about the other end of `stream`.
///
/// # Errors
/// The kernel does not tell.
pub(super) fn of(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let mut groups = vec![credentials.gid()];
    groups.extend(groups::supplementary(stream)?);
    Ok(Peer {
        uid: credentials.uid(),
        groups,
    })
}
