//! The supplementary groups of a peer.
#![cfg_attr(
    target_os = "linux",
    allow(
        unsafe_code,
        reason = "a socket option of varying length that no safe wrapper knows"
    )
)]

use std::io;

use tokio::net::UnixStream;

/// The supplementary groups that the peer had when it connected (`SO_PEERGROUPS`, Linux 4.13).
#[cfg(target_os = "linux")]
pub(super) fn supplementary(stream: &UnixStream) -> io::Result<Vec<u32>> {
    use std::os::fd::AsRawFd;

    /// `NGROUPS_MAX`: the kernel keeps no more.
    const MOST: usize = 65_536;

    // Nearly everybody has fewer; where not, the kernel says how many there are.
    let mut groups = vec![0_u32; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(&*groups))
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the descriptor is open; pointer and length are those of `groups`.
        let done = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let count = bytes as usize / size_of::<u32>();
        if done == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() || count > MOST {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

/// Elsewhere the primary group is all that the kernel keeps.
#[cfg(not(target_os = "linux"))]
pub(super) fn supplementary(_stream: &UnixStream) -> io::Result<Vec<u32>> {
    Ok(Vec::new())
}
