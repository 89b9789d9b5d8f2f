//! Who speaks on a Unix socket.

use std::fs;
use std::io;

use tokio::net::UnixStream;

/// Whether the peer may speak here: root, the user that this process runs as, or a member of the
/// socket's group.
///
/// # Errors
/// The kernel does not tell who the peer is.
pub(super) fn may_speak(stream: &UnixStream, group: u32) -> io::Result<bool> {
    let peer = stream.peer_cred()?;
    let own = rustix::process::geteuid().as_raw();
    Ok(peer.uid() == 0
        || peer.uid() == own
        || peer.gid() == group
        || peer.pid().is_some_and(|pid| groups(pid).contains(&group)))
}

/// The supplementary groups of a process; none when they cannot be read (proc(5)).
fn groups(pid: i32) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    line.unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|group| group.parse().ok())
        .collect()
}
