//! Pipes that carry bulk from socket to socket inside of the kernel (splice(2)).

mod budget;

use std::io;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use tokio::io::Interest;
use tokio::net::TcpStream;

use budget::Share;

/// Bytes of a large pipe: what a user without privilege may ask for (`pipe-max-size`, pipe(7)).
const LARGE: usize = 1024 * 1024;
/// A pipe that has room for less is slower than copying. The kernel gives such ones to a user
/// whose pipes have too many pages in total (`pipe-user-pages-soft`).
const LEAST: usize = 64 * 1024;

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    held: usize,
    _share: Share,
}

/// What a try to fill a pipe did.
pub(super) enum Filled {
    /// Nothing is there to be read; the stream is no longer taken for readable.
    Nothing,
    /// The sender ended.
    End,
    /// So many bytes are in the pipe now.
    Bytes(usize),
    /// Nothing was read, and never will be this way: it must be copied.
    Impossible,
}

impl Pipe {
    /// An empty pipe; `None` where there are enough of them, or none can be had: the bytes are
    /// copied then.
    pub(super) fn take() -> Option<Self> {
        let share = Share::take()?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        if share.is_large() {
            // A refusal (EPERM: too many pages in total) leaves it as large as it is.
            let _ = fcntl_setpipe_size(&write, LARGE);
        }
        (fcntl_getpipe_size(&write).ok()? >= LEAST).then_some(Self {
            read,
            write,
            held: 0,
            _share: share,
        })
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Reads into the empty pipe.
    pub(super) fn fill(&mut self, from: &TcpStream) -> io::Result<Filled> {
        match from.try_io(Interest::READABLE, || move_bytes(from, &self.write, LARGE)) {
            Ok(0) => Ok(Filled::End),
            Ok(read) => {
                self.held = read;
                Ok(Filled::Bytes(read))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Nothing),
            Err(error) if is_impossible(&error) => Ok(Filled::Impossible),
            Err(error) => Err(error),
        }
    }

    /// Writes what the receiver takes. Where it cannot take from a pipe, the bytes come back.
    pub(super) fn drain(&mut self, to: &TcpStream) -> io::Result<Option<Bytes>> {
        match to.try_io(Interest::WRITABLE, || move_bytes(&self.read, to, self.held)) {
            Ok(written) => self.held -= written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if is_impossible(&error) => return self.spill().map(Some),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Takes everything out of the pipe.
    fn spill(&mut self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.held];
        let mut at = 0;
        while at < bytes.len() {
            at += rustix::io::read(&self.read, &mut bytes[at..])?;
        }
        self.held = 0;
        Ok(bytes.into())
    }
}

fn move_bytes(
    from: impl std::os::fd::AsFd,
    to: impl std::os::fd::AsFd,
    most: usize,
) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// A kernel or a sandbox (seccomp) that splices nothing, or not such a socket.
fn is_impossible(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP)
    )
}

#[cfg(test)]
mod tests;
