//! The table of descriptors, as Unix has it.

use std::io;
use std::os::fd::AsRawFd;

use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Socket, Type};

/// How many files this process may have open.
pub(super) fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The socket's number.
pub(super) fn number(socket: &impl AsRawFd) -> u64 {
    // No descriptor is negative.
    u64::try_from(socket.as_raw_fd()).unwrap_or_default()
}

/// The number that the next socket would have.
pub(super) fn next_number() -> io::Result<u64> {
    let next = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    Ok(u64::try_from(next.as_raw_fd()).unwrap_or_default())
}

/// Whether there is no room, in this process or on the machine (accept(2), socket(2)).
pub(super) fn is_lacking(error: &io::Error) -> bool {
    use libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    let code = error.raw_os_error();
    code.is_some_and(|code| [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(&code))
}

/// Whether it is this process that has too many files open.
pub(super) fn is_of_this_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMFILE)
}

/// What the kernel says when they are too many.
pub(super) fn too_many() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}
