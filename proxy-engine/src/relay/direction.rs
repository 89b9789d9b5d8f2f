//! One direction of a tunnel.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::copy::{Copied, copy};
use super::splice::{Filled, Pipe};

/// From here on a direction counts as bulk; so does one that moves as much in a second. Taking a
/// pipe costs about as much as copying a tenth of it.
const BULK: u64 = 256 * 1024;
/// A direction that could have no pipe asks again after so many bytes.
const ASK_AGAIN: u64 = 16 * 1024 * 1024;
/// After so many bytes in one go, other tunnels of the thread have their turn.
const TURN: u64 = 4 * 1024 * 1024;

/// Bytes on their way from one stream to the other.
#[derive(Debug)]
pub(super) struct Direction {
    held: Held,
    /// The count at which a pipe is asked for.
    pipe_from: u64,
    /// The count at the last tick.
    ticked: u64,
    ended: bool,
}

/// What was read and is not yet written.
#[derive(Debug)]
enum Held {
    Nothing,
    /// Never empty.
    Bytes(Bytes),
    /// A pipe, full or empty.
    Pipe(Pipe),
}

impl Direction {
    /// A direction whose first bytes were read, and counted, already.
    pub(super) fn new(early: Bytes) -> Self {
        Self {
            held: Held::bytes(early),
            pipe_from: BULK,
            ticked: 0,
            ended: false,
        }
    }

    /// Whether the end was passed on.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether it has memory or a pipe: then it wants a tick every second.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.held, Held::Nothing)
    }

    /// A second has gone by: a pipe that carries less than bulk is given back.
    pub(super) fn tick(&mut self, count: u64) {
        if let Held::Pipe(pipe) = &self.held
            && pipe.is_empty()
            && count - self.ticked < BULK
        {
            self.held = Held::Nothing;
            self.pipe_from = count + BULK;
        }
        self.ticked = count;
    }

    /// Moves what can be moved; ready when the end of `from` was passed on to `to`. `count` are the
    /// bytes read from `from` since the connection came in; `closes` says that the other direction
    /// has ended, so that both streams are closed right behind this one's end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        to: &TcpStream,
        count: &AtomicU64,
        closes: bool,
    ) -> Poll<io::Result<()>> {
        let mut moved = 0;
        while !self.ended {
            if moved >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.is_empty() {
                ready!(from.poll_read_ready(cx))?;
                let read = self.read(from, to, count.load(Relaxed), closes)?;
                count.fetch_add(read, Relaxed);
                moved += read;
            } else {
                ready!(to.poll_write_ready(cx))?;
                self.write(to)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_empty(&self) -> bool {
        match &self.held {
            Held::Nothing => true,
            Held::Bytes(_) => false,
            Held::Pipe(pipe) => pipe.is_empty(),
        }
    }

    /// Reads once; how much.
    fn read(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        count: u64,
        closes: bool,
    ) -> io::Result<u64> {
        if matches!(self.held, Held::Nothing) && count >= self.pipe_from {
            match Pipe::take() {
                Some(pipe) => {
                    self.held = Held::Pipe(pipe);
                    // The first second is granted.
                    self.ticked = 0;
                }
                None => self.pipe_from = count + ASK_AGAIN,
            }
        }
        if let Held::Pipe(pipe) = &mut self.held {
            match pipe.fill(from)? {
                Filled::Nothing => return Ok(0),
                Filled::Bytes(read) => return Ok(read as u64),
                Filled::End => self.end(to, closes)?,
                Filled::Impossible => {
                    self.held = Held::Nothing;
                    self.pipe_from = u64::MAX;
                }
            }
            return Ok(0);
        }
        match copy(from, to)? {
            Copied::Nothing => Ok(0),
            Copied::Bytes { read, left } => {
                self.held = Held::bytes(left);
                Ok(read as u64)
            }
            Copied::End => self.end(to, closes).map(|()| 0),
        }
    }

    /// Writes once of what is held.
    fn write(&mut self, to: &TcpStream) -> io::Result<()> {
        match &mut self.held {
            Held::Nothing => {}
            Held::Bytes(bytes) => match to.try_write(bytes) {
                Ok(written) if written == bytes.len() => self.held = Held::Nothing,
                Ok(written) => bytes.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            },
            Held::Pipe(pipe) => {
                if let Some(left) = pipe.drain(to)? {
                    self.held = Held::bytes(left);
                    self.pipe_from = u64::MAX;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, to: &TcpStream, closes: bool) -> io::Result<()> {
        self.held = Held::Nothing;
        self.ended = true;
        if closes {
            // Nothing is left to be read on either side: to close it says the same.
            return Ok(());
        }
        match SockRef::from(to).shutdown(Shutdown::Write) {
            // The other side is gone already; its own direction says how.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl Held {
    fn bytes(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Nothing
        } else {
            Self::Bytes(bytes)
        }
    }
}
