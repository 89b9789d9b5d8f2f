//! Copying in user space, through one buffer a thread.

use std::cell::RefCell;
use std::io::{self, Read as _};

use bytes::Bytes;
use futures_util::FutureExt as _;
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
        // Asked before the read: an end that is known by then comes right behind these bytes.
        let last = has_ended(from);
        let read = match read(from, buffer)? {
            None => return Ok(Copied::Nothing),
            Some(0) => return Ok(Copied::End),
            Some(read) => read,
        };
        let written = match write(to, &buffer[..read], last) {
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

/// Whether the sender has said its last byte, read or not.
fn has_ended(from: &TcpStream) -> bool {
    let ready = from.ready(Interest::READABLE).now_or_never();
    matches!(ready, Some(Ok(ready)) if ready.is_read_closed())
}

/// Writes once. The `last` bytes of a direction wait in the kernel for the end that is about to be
/// passed on, and leave in one segment with it (`MSG_MORE`, send(2)): each segment less spares both
/// ends and everything between them as much as a system call costs here.
#[cfg(target_os = "linux")]
fn write(to: &TcpStream, bytes: &[u8], last: bool) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    let more = if last {
        SendFlags::MORE
    } else {
        SendFlags::empty()
    };
    to.try_io(Interest::WRITABLE, || {
        Ok(send(to, bytes, SendFlags::NOSIGNAL | more)?)
    })
}

#[cfg(not(target_os = "linux"))]
fn write(to: &TcpStream, bytes: &[u8], _last: bool) -> io::Result<usize> {
    to.try_write(bytes)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{ErrorKind, Read as _};
    use std::net::Shutdown;
    use std::time::Duration;

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::{Copied, copy, has_ended};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let to = listener.local_addr().expect("address");
        let (near, far) = tokio::join!(TcpStream::connect(to), listener.accept());
        (near.expect("connected"), far.expect("accepted").0)
    }

    #[tokio::test]
    async fn the_last_bytes_leave_together_with_the_end() {
        let ((mut near, from), (to, far)) = (pair().await, pair().await);
        to.writable().await.expect("writable");
        near.write_all(b"bye").await.expect("sent");
        near.shutdown().await.expect("ended");
        let ended = async {
            while !has_ended(&from) {
                from.readable().await.expect("readable");
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(20), ended);
        ended.await.expect("the end is known");
        let copied = copy(&from, &to).expect("copied");
        assert!(matches!(copied, Copied::Bytes { read: 3, left } if left.is_empty()));
        // Loopback delivers what leaves before the call that sent it returns.
        let early = (&*SockRef::from(&far)).read(&mut [0; 8]);
        let early = early.map_err(|error| error.kind());
        assert_eq!(early, Err(ErrorKind::WouldBlock), "a segment of their own");
        assert!(matches!(copy(&from, &to).expect("read"), Copied::End));
        SockRef::from(&to).shutdown(Shutdown::Write).expect("ended");
        let mut heard = [0; 8];
        assert_eq!((&*SockRef::from(&far)).read(&mut heard).expect("heard"), 3);
        assert_eq!(&heard[..3], b"bye");
        assert_eq!(
            (&*SockRef::from(&far)).read(&mut heard).expect("the end"),
            0
        );
    }
}
