//! Copying in user space, through one buffer a thread.

use std::cell::RefCell;
use std::io::{self, Read as _};

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes of one read. A thread takes the buffer with its first tunnel; connections have none.
const BUFFER: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// What one copy did.
pub(super) enum Copied {
    /// Nothing is there to be read; the stream is no longer taken for readable.
    Nothing,
    /// The sender ended.
    End,
    /// So many bytes were read. What the receiver did not take at once is `left`.
    Bytes { read: usize, left: Bytes },
}

/// Reads once, and writes what was read.
pub(super) fn copy(from: &TcpStream, to: &TcpStream) -> io::Result<Copied> {
    SCRATCH.with_borrow_mut(|buffer| {
        let read = match read(from, buffer)? {
            None => return Ok(Copied::Nothing),
            Some(0) => return Ok(Copied::End),
            Some(read) => read,
        };
        let written = match to.try_write(&buffer[..read]) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        // Few receivers are slower than their sender: only they cost memory.
        let left = Bytes::copy_from_slice(&buffer[written..read]);
        Ok(Copied::Bytes { read, left })
    })
}

/// Reads once; `None` when nothing is there.
fn read(from: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut read = None;
    let tried = from.try_io(Interest::READABLE, || {
        let size = (&*SockRef::from(from)).read(buffer)?;
        read = Some(size);
        // Less than there was room for: the socket is empty. Saying so here, where the event that
        // led to this read is known, saves a second read that would find nothing (epoll(7), Q9).
        if cfg!(target_os = "linux") && (1..buffer.len()).contains(&size) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match tried {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(read),
    }
}
