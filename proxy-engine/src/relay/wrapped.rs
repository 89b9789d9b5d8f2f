//! A tunnel whose other end is inside of TLS: its bytes are copied, since only user space can read
//! them.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::idle::{Look, Watch};
use super::stream::Shared;
use crate::dial::keep_alive;
use crate::observe::Record;

/// Bytes of one read: as many as a record of TLS holds, and some of the next.
const BUFFER: usize = 32 * 1024;
/// After so many bytes in one go, other tunnels of the thread have their turn.
const TURN: u64 = 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into());
}

/// Both ends.
pub(super) struct Wrapped {
    client: Shared,
    origin: TlsStream<Shared>,
    up: Carried,
    down: Carried,
    reset: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// One direction.
struct Carried {
    /// Read, and not yet written.
    held: Bytes,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// Nothing is on its way but what is held.
    Flows,
    /// Written, and perhaps still in the records' buffer.
    Flushes,
    /// The end is on its way.
    Ends,
    Ended,
}

impl Wrapped {
    pub(super) fn new(
        client: Shared,
        origin: TlsStream<Shared>,
        early_up: Bytes,
        early_down: Bytes,
    ) -> Self {
        Self {
            client,
            origin,
            up: Carried::new(early_up),
            down: Carried::new(early_down),
            reset: None,
        }
    }

    pub(super) fn carry(
        &mut self,
        cx: &mut Context<'_>,
        record: &Record,
        watch: &mut Watch,
    ) -> Poll<io::Result<()>> {
        let (up, down) = (record.bytes_up(), record.bytes_down());
        loop {
            let sent = self.up.poll(cx, &mut self.client, &mut self.origin, up)?;
            let received = self
                .down
                .poll(cx, &mut self.origin, &mut self.client, down)?;
            if sent.is_ready() && received.is_ready() {
                return Poll::Ready(Ok(()));
            }
            // Nobody reads any more from an end that said its last byte; it can still be reset.
            if self.reset.is_none() && (sent.is_ready() || received.is_ready()) {
                self.wait_for_a_reset();
            }
            if let Some(reset) = &mut self.reset
                && reset.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let total = up.load(Relaxed).wrapping_add(down.load(Relaxed));
            let holds = self.up.holds() || self.down.holds();
            match watch.poll(cx, total, holds)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(look) => {
                    if watch.looks_first() {
                        keep_alive(self.origin.get_ref().0.tcp());
                    }
                    // Nobody reads from the sender of what a receiver does not take, either.
                    if look == Look::Silent && holds && self.reset.is_none() {
                        self.wait_for_a_reset();
                    }
                }
            }
        }
    }

    fn wait_for_a_reset(&mut self) {
        let (client, origin) = (self.client.clone(), self.origin.get_ref().0.clone());
        self.reset = Some(Box::pin(async move {
            tokio::select! {
                () = client.lost() => {}
                () = origin.lost() => {}
            }
        }));
    }

    /// Makes the coming close of both ends a reset.
    pub(super) fn reset(&self) {
        super::tunnel::reset(self.client.tcp());
        super::tunnel::reset(self.origin.get_ref().0.tcp());
    }
}

impl Carried {
    fn new(held: Bytes) -> Self {
        Self {
            held,
            state: State::Flows,
        }
    }

    fn holds(&self) -> bool {
        !self.held.is_empty() || self.state == State::Flushes
    }

    /// Moves what can be moved; ready when the end of `from` was passed on to `to`.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        count: &AtomicU64,
    ) -> Poll<io::Result<()>> {
        let mut moved = 0;
        loop {
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ends => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                _ if !self.held.is_empty() => {
                    let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.held))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.held.advance(written);
                    if self.held.is_empty() {
                        // What it was a part of is not kept.
                        self.held = Bytes::new();
                    }
                    self.state = State::Flushes;
                }
                State::Flows | State::Flushes if moved >= TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Flows | State::Flushes => {
                    let flushed = match self.state {
                        State::Flushes => Pin::new(&mut *to).poll_flush(cx)?,
                        _ => Poll::Ready(()),
                    };
                    if flushed.is_ready() {
                        self.state = State::Flows;
                    }
                    match read(cx, from, to)? {
                        // The receiver may still have to take what was written before.
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Moved { read: 0, .. }) => {
                            self.state = State::Ends;
                        }
                        Poll::Ready(Moved { read, left }) => {
                            count.fetch_add(read, Relaxed);
                            moved += read;
                            self.held = left;
                            self.state = State::Flushes;
                        }
                    }
                }
            }
        }
    }
}

struct Moved {
    read: u64,
    /// What the receiver did not take at once.
    left: Bytes,
}

/// Reads once, and writes what was read.
fn read(
    cx: &mut Context<'_>,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Poll<io::Result<Moved>> {
    SCRATCH.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        let written = match Pin::new(to).poll_write(cx, bytes)? {
            Poll::Ready(written) => written,
            Poll::Pending => 0,
        };
        Poll::Ready(Ok(Moved {
            read: bytes.len() as u64,
            // Few receivers are slower than their sender: only they cost memory.
            left: Bytes::copy_from_slice(&bytes[written..]),
        }))
    })
}
