//! The broker's socket: passed by systemd, or made here.
#![allow(
    unsafe_code,
    reason = "a descriptor by its number (sd_listen_fds(3)), and setfsgid"
)]

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    sockopt,
};

use super::BrokerError;

/// The listening socket. One that was made here is removed from its folder at the end.
#[derive(Debug)]
pub(super) struct BrokerSocket {
    pub(super) fd: OwnedFd,
    made: Option<PathBuf>,
}

impl Drop for BrokerSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            // Left behind, it is found dead by the next broker and removed then.
            let _ = fs::remove_file(path);
        }
    }
}

/// Takes systemd's socket, or makes one at `path` that only root and the group `group` can open.
pub(super) fn open(path: &Path, group: u32) -> Result<BrokerSocket, BrokerError> {
    if let Some(fd) = passed() {
        return Ok(BrokerSocket { fd, made: None });
    }
    let failed = |source: io::Error| BrokerError::Listen {
        path: path.to_owned(),
        source,
    };
    if answers(path) {
        return Err(BrokerError::Running(path.to_owned()));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let fd = seqpacket().map_err(failed)?;
    let address = SocketAddrUnix::new(path).map_err(|e| failed(e.into()))?;
    // Owner and mode are right from the beginning: nothing is changed by path afterwards.
    let group = FileGroup::take(group).map_err(failed)?;
    let mask = rustix::process::umask(Mode::from_raw_mode(0o117));
    let bound = bind(&fd, &address);
    rustix::process::umask(mask);
    drop(group);
    bound
        .and_then(|()| listen(&fd, 16))
        .map_err(|e| failed(e.into()))?;
    Ok(BrokerSocket {
        fd,
        made: Some(path.to_owned()),
    })
}

/// Connects to the broker at `path`.
pub(super) fn dial(path: &Path) -> io::Result<OwnedFd> {
    let fd = seqpacket()?;
    connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

fn answers(path: &Path) -> bool {
    dial(path).is_ok()
}

fn seqpacket() -> io::Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}

/// The socket that systemd passed to this process, if it is one of whole messages.
fn passed() -> Option<OwnedFd> {
    /// `SD_LISTEN_FDS_START`.
    const FIRST: i32 = 3;
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID")? != std::process::id() || number("LISTEN_FDS")? == 0 {
        return None;
    }
    // SAFETY: by the protocol, this descriptor is open and ours; nothing else in this process
    // takes it, and `open` is called once.
    let fd = unsafe { OwnedFd::from_raw_fd(FIRST) };
    let usable = sockopt::socket_type(&fd).ok()? == SocketType::SEQPACKET;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
    rustix::io::ioctl_fionbio(fd.as_fd(), true).ok()?;
    usable.then_some(fd)
}

/// While it lives, files that this thread makes belong to another group.
struct FileGroup {
    former: libc::c_int,
}

impl FileGroup {
    fn take(group: u32) -> io::Result<Self> {
        // SAFETY: plain numbers; it concerns this thread alone. -1 changes nothing and tells.
        let (former, now) = unsafe {
            let former = libc::setfsgid(group);
            (former, libc::setfsgid(u32::MAX))
        };
        let taken = Self { former };
        if u32::try_from(now) != Ok(group) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "cannot make files of group {group}: run in that group (Group=) or keep CAP_SETGID"
                ),
            ));
        }
        Ok(taken)
    }
}

impl Drop for FileGroup {
    fn drop(&mut self) {
        // SAFETY: as above; the number came from the kernel.
        unsafe { libc::setfsgid(self.former.cast_unsigned()) };
    }
}
