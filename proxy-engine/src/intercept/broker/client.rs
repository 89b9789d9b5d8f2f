//! The engine's side of the broker's socket.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::activation::dial;
use super::packet::{self, Packet};
use super::protocol::{Answer, Request, Wish};
use crate::config::{Interception, Netns};
use crate::control::{InterceptionState, Problem};
use crate::intercept::{Families, InterceptError};

/// The broker does one small thing at a time: who waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(10);

type Incoming = (Answer, Option<OwnedFd>);

/// A connection to the broker. When it is dropped, the broker sees the engine gone.
#[derive(Debug)]
pub(in crate::intercept) struct BrokerClient {
    /// A socket of whole messages, though the type says stream: only `async_io` is used of it.
    socket: Arc<UnixStream>,
    /// Locked from request to answer: one at a time.
    answers: tokio::sync::Mutex<mpsc::UnboundedReceiver<Incoming>>,
    last_id: AtomicU64,
    known: Arc<Known>,
    closed: watch::Receiver<bool>,
    reader: AbortHandle,
}

/// What the broker said by itself.
#[derive(Debug)]
struct Known {
    state: Mutex<InterceptionState>,
    farewell: Mutex<Option<Problem>>,
}

impl BrokerClient {
    /// Connects, sends the broker to `netns` and asks whether the kernel would take the table there.
    ///
    /// # Errors
    /// [`InterceptError::NoBroker`], [`InterceptError::Broker`].
    pub(in crate::intercept) async fn connect(
        path: &Path,
        netns: Option<&Netns>,
    ) -> Result<Self, InterceptError> {
        let absent = |source| InterceptError::NoBroker {
            path: path.to_owned(),
            source,
        };
        let socket = dial(path)
            .and_then(|fd| UnixStream::from_std(fd.into()))
            .map_err(absent)?;
        let socket = Arc::new(socket);
        let known = Arc::new(Known {
            state: Mutex::new(InterceptionState::Off),
            farewell: Mutex::new(None),
        });
        let (send_answers, answers) = mpsc::unbounded_channel();
        let (end, closed) = watch::channel(false);
        let reader = tokio::spawn({
            let (socket, known) = (Arc::clone(&socket), Arc::clone(&known));
            async move {
                if let Err(error) = read(&socket, &known, &send_answers).await {
                    tracing::warn!(%error, "the broker's socket failed");
                }
                end.send_replace(true);
            }
        })
        .abort_handle();
        let client = Self {
            socket,
            answers: tokio::sync::Mutex::new(answers),
            last_id: AtomicU64::new(0),
            known,
            closed,
            reader,
        };
        let netns = netns.cloned();
        client.ask(Wish::Enter { netns }).await?;
        client.ask(Wish::Probe {}).await?;
        Ok(client)
    }

    /// Captures what `interception` names; with no interfaces, nothing.
    pub(in crate::intercept) async fn apply(
        &self,
        interception: &Interception,
        listener: u16,
    ) -> Result<(), InterceptError> {
        let wish = if interception.interfaces.is_empty() {
            Wish::Withdraw {}
        } else {
            Wish::Intercept {
                interception: interception.clone(),
                listener,
            }
        };
        self.ask(wish).await.map(drop)
    }

    /// A listening socket in the broker's network namespace.
    pub(in crate::intercept) async fn open_listener(
        &self,
        address: SocketAddr,
        families: Families,
    ) -> Result<TcpListener, InterceptError> {
        self.ask(Wish::OpenListener { address, families })
            .await?
            .map(TcpListener::from)
            .ok_or(InterceptError::Protocol)
    }

    /// What the broker last said is in force; `None` when it is gone.
    pub(in crate::intercept) fn state(&self) -> Option<InterceptionState> {
        let state = self
            .known
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (!*self.closed.borrow()).then(|| state.clone())
    }

    /// Ends when the broker is gone.
    pub(in crate::intercept) async fn closed(&self) {
        // An error means that the reader is gone, and so is the broker.
        let _ = self.closed.clone().wait_for(|closed| *closed).await;
    }

    async fn ask(&self, wish: Wish) -> Result<Option<OwnedFd>, InterceptError> {
        let mut answers = self.answers.lock().await;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = serde_json::to_vec(&Request { id, wish })
            .map_err(|e| InterceptError::Invalid(e.to_string()))?;
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || {
                packet::send(&self.socket, &bytes, None)
            })
            .await;
        if sent.is_err() {
            // Why is said by what the broker left to be read, if it did.
            self.closed().await;
            return Err(self.gone());
        }
        let answer = async {
            loop {
                match answers.recv().await {
                    // An answer to a question that nobody waits for any more is skipped.
                    Some((answer, descriptor)) if answer.id == id => {
                        return Some((answer, descriptor));
                    }
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Some((answer, descriptor))) => match answer.refused {
                Some(problem) => Err(InterceptError::Broker { problem }),
                None => Ok(descriptor),
            },
            Ok(None) | Err(_) => Err(self.gone()),
        }
    }

    fn gone(&self) -> InterceptError {
        let farewell = self
            .known
            .farewell
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*farewell {
            Some(problem) => InterceptError::Broker {
                problem: problem.clone(),
            },
            None => InterceptError::BrokerGone,
        }
    }
}

impl Drop for BrokerClient {
    fn drop(&mut self) {
        self.reader.abort();
        // The reader may hold the socket a little longer; the broker shall know now.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }
}

/// Reads until the broker is gone.
async fn read(
    socket: &UnixStream,
    known: &Known,
    answers: &mpsc::UnboundedSender<Incoming>,
) -> io::Result<()> {
    loop {
        let packet = socket
            .async_io(Interest::READABLE, || packet::receive(socket))
            .await?;
        let (bytes, descriptor) = match packet {
            Packet::Whole(bytes, descriptor) => (bytes, descriptor),
            Packet::TooLong => return Err(io::ErrorKind::InvalidData.into()),
            Packet::End => return Ok(()),
        };
        let answer: Answer = serde_json::from_slice(&bytes)?;
        known
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&answer.state);
        if answer.id == 0 {
            if let Some(problem) = answer.refused {
                *known
                    .farewell
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(problem);
            }
        } else {
            // Nobody listens only while the client is being dropped.
            let _ = answers.send((answer, descriptor));
        }
    }
}
