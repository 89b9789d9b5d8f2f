//! Both directions of a tunnel, and when it ends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::direction::Direction;
use super::idle::{IdleLimit, Look, Watch};
use super::stream::{Shared, Stream};
use super::wrapped::Wrapped;
use crate::dial::keep_alive;
use crate::observe::Record;

/// Two streams to be joined, and what was read from each already (and counted).
#[derive(Debug)]
pub struct Pair {
    /// Who connected.
    pub client: TcpStream,
    /// Where it goes: the origin, or an upstream that leads there.
    pub origin: Stream,
    /// First bytes for the origin.
    pub early_up: BytesMut,
    /// First bytes for the client.
    pub early_down: BytesMut,
}

/// Carries bytes in both directions until both have ended. The end of one direction is passed on
/// (FIN, and `close_notify` before it where there is TLS) and leaves the other flowing; a reset of
/// one side resets the other, so that nobody takes a broken stream for a finished one.
///
/// A future without an `async` block, because it is what thousands of silent connections are: a
/// few words, and no buffer.
///
/// # Errors
/// The first error of either side; [`io::ErrorKind::TimedOut`] after [`IdleLimit`] without a byte.
#[must_use = "it carries nothing unless it is polled"]
pub struct Tunnel {
    ends: Ends,
    record: Record,
    watch: Watch,
}

/// What is joined.
enum Ends {
    Plain(Plain),
    /// On the heap: what TLS needs is much larger in any case.
    Wrapped(Box<Wrapped>),
}

struct Plain {
    sockets: Arc<Sockets>,
    up: Direction,
    down: Direction,
    /// Ready when either end is reset: for what reads and writes would not notice.
    reset: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

struct Sockets {
    client: TcpStream,
    origin: TcpStream,
}

impl Tunnel {
    /// A tunnel that counts its bytes in `record`.
    pub fn new(pair: Pair, record: Record, limit: IdleLimit) -> Self {
        let (up, down) = (pair.early_up.freeze(), pair.early_down.freeze());
        let client = pair.client;
        Self {
            ends: match pair.origin {
                Stream::Plain(origin) => Ends::Plain(Plain {
                    sockets: Arc::new(Sockets { client, origin }),
                    up: Direction::new(up),
                    down: Direction::new(down),
                    reset: None,
                }),
                Stream::Tls(origin) => {
                    let wrapped = Wrapped::new(Shared::new(client), *origin, up, down);
                    Ends::Wrapped(Box::new(wrapped))
                }
            },
            record,
            watch: Watch::new(limit),
        }
    }

    /// Who connected.
    pub fn client(&self) -> SocketAddr {
        self.record.client()
    }
}

impl Plain {
    fn carry(
        &mut self,
        cx: &mut Context<'_>,
        record: &Record,
        watch: &mut Watch,
    ) -> Poll<io::Result<()>> {
        let Sockets { client, origin } = &*self.sockets;
        let (up, down) = (record.bytes_up(), record.bytes_down());
        loop {
            let answered = self.down.has_ended();
            let sent = self.up.poll(cx, client, origin, up, answered)?;
            let asked = self.up.has_ended();
            let received = self.down.poll(cx, origin, client, down, asked)?;
            if sent.is_ready() && received.is_ready() {
                return Poll::Ready(Ok(()));
            }
            // Nobody reads any more from an end that said its last byte; it can still be reset.
            if self.reset.is_none() && (self.up.has_ended() || self.down.has_ended()) {
                self.reset = Some(Arc::clone(&self.sockets).reset());
            }
            if let Some(reset) = &mut self.reset
                && reset.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let (up, down) = (up.load(Relaxed), down.load(Relaxed));
            let holds = self.up.holds() || self.down.holds();
            match watch.poll(cx, up.wrapping_add(down), holds)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(look) => {
                    if watch.looks_first() {
                        // Most connections are over by now, and were spared the system calls. The
                        // client's end has it from its listener.
                        keep_alive(origin);
                    }
                    // Nobody reads from the sender of what a receiver does not take, either.
                    if look == Look::Silent && holds && self.reset.is_none() {
                        self.reset = Some(Arc::clone(&self.sockets).reset());
                    }
                    self.up.tick(up);
                    self.down.tick(down);
                }
            }
        }
    }
}

impl Future for Tunnel {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            ends,
            record,
            watch,
        } = &mut *self;
        let ended = match ends {
            Ends::Plain(plain) => plain.carry(cx, record, watch),
            Ends::Wrapped(wrapped) => wrapped.carry(cx, record, watch),
        };
        if let Poll::Ready(Err(_)) = ended {
            match ends {
                Ends::Plain(plain) => {
                    reset(&plain.sockets.client);
                    reset(&plain.sockets.origin);
                }
                Ends::Wrapped(wrapped) => wrapped.reset(),
            }
        }
        ended
    }
}

impl Sockets {
    fn reset(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            // Whichever ends first: a stream that cannot be waited for is broken too.
            tokio::select! {
                _ = self.client.ready(Interest::ERROR) => {}
                _ = self.origin.ready(Interest::ERROR) => {}
            }
        })
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}

/// Makes the coming close of the stream a reset.
pub fn reset(stream: &TcpStream) {
    // On a socket that is dead already there is nothing to reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
