//! From one engine to the one that takes its place: listening sockets, policy and credentials, so
//! that an upgrade cuts no connection and refuses none.
//!
//! It begins as `POST /v1/hand-over` with `Upgrade: gangway-hand-over` on the control socket, by
//! root or the user that the engine runs as. After the 101:
//!
//! | from | what | meaning |
//! |---|---|---|
//! | new | `1` | it listens to what comes now |
//! | old | a length (4 bytes, big-endian) and so much JSON, then each socket with a byte of its own | what it has |
//! | new | `2` | it serves: both do now |
//! | old | `3` | it takes no more connections, and has left the broker |
//!
//! Whoever goes away before `2` changes nothing: the old engine goes on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::{Problem, Via};
use crate::config::Policy;
use crate::descriptor;
use crate::dial::auth::Handed;

/// The protocol that is asked for.
pub(super) const PROTOCOL: &str = "gangway-hand-over";

/// An engine that lives answers within this; each step is small.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The longest description: a policy of many thousand rules fits in well.
const MOST: u32 = 16 * 1024 * 1024;

/// It listens to what comes now.
pub(super) const LISTENS: u8 = b'1';
/// The new engine serves.
pub(super) const SERVES: u8 = b'2';
/// The old engine has left.
pub(super) const LEFT: u8 = b'3';

/// What an engine leaves to the one that takes its place.
#[derive(Debug)]
pub struct Estate {
    /// The policy in force.
    pub policy: Policy,
    /// Credentials that are lent, and which of them were refused.
    pub credentials: Vec<Handed>,
    /// The address that each listener was asked for, its kind, and its socket.
    pub listeners: Vec<(SocketAddr, Via, TcpListener)>,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    policy: Policy,
    credentials: Vec<Handed>,
    listeners: Vec<(SocketAddr, Via)>,
    /// The old engine's process. The kernel's word would be of the one that opened the control
    /// socket, which may be an engine before that.
    #[serde(default)]
    pid: Option<u32>,
}

/// Why no place could be taken over. The engine that runs goes on.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// The engine refused.
    #[error("the engine at {} does not hand over: {}", control.display(), problem.message)]
    Refused {
        /// Its control socket.
        control: PathBuf,
        /// Why.
        problem: Problem,
    },
    /// The conversation broke off.
    #[error("the engine at {} did not hand over: {source}", control.display())]
    Broken {
        /// Its control socket.
        control: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A hand-over that has begun: everything is received, and the old engine serves still.
#[derive(Debug)]
pub struct TakeOver {
    /// What the old engine has.
    pub estate: Estate,
    /// The control socket itself.
    pub control: UnixListener,
    rest: Rest,
}

/// The rest of the conversation.
#[derive(Debug)]
pub struct Rest {
    stream: UnixStream,
    control: PathBuf,
    pid: Option<u32>,
}

impl TakeOver {
    /// Asks the engine at this control socket for all that it has; `None` when nobody answers
    /// there.
    ///
    /// # Errors
    /// See [`TakeOverError`].
    pub async fn begin(control: &Path) -> Result<Option<Self>, TakeOverError> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        let stream = match UnixStream::connect(control).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
            Err(source) => return Err(broken(control, source)),
        };
        let begun = async {
            let stream = upgrade(stream, control).await?;
            receive(stream, control)
                .await
                .map_err(|source| broken(control, source))
        };
        match tokio::time::timeout(PATIENCE, begun).await {
            Ok(begun) => begun.map(Some),
            Err(late) => Err(broken(control, late.into())),
        }
    }

    /// What was received, the control socket, and the rest of the conversation.
    pub fn into_parts(self) -> (Estate, UnixListener, Rest) {
        (self.estate, self.control, self.rest)
    }
}

impl Rest {
    /// The old engine's process; `None` when it does not say.
    pub fn former(&self) -> Option<u32> {
        self.pid
    }

    /// Says that the new engine serves; when this returns, the old one does not.
    ///
    /// # Errors
    /// [`TakeOverError::Broken`].
    pub async fn confirm(mut self) -> Result<(), TakeOverError> {
        let told = async {
            self.stream.write_u8(SERVES).await?;
            expect(&mut self.stream, LEFT).await
        };
        let told = match tokio::time::timeout(PATIENCE, told).await {
            Ok(told) => told,
            Err(late) => Err(late.into()),
        };
        told.map_err(|source| broken(&self.control, source))
    }
}

fn broken(control: &Path, source: io::Error) -> TakeOverError {
    TakeOverError::Broken {
        control: control.to_owned(),
        source,
    }
}

/// Leaves HTTP.
async fn upgrade(stream: UnixStream, control: &Path) -> Result<UnixStream, TakeOverError> {
    let odd = |error: hyper::Error| broken(control, io::Error::other(error));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(odd)?;
    tokio::spawn(async move {
        // What goes wrong here reaches the caller through the answer.
        let _ = connection.with_upgrades().await;
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/hand-over")
        .header(header::HOST, "engine")
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, PROTOCOL)
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(control, io::Error::other(error)))?;
    let response = sender.send_request(request).await.map_err(odd)?;
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(response).await.map_err(odd)?;
        return bare(upgraded).map_err(|source| broken(control, source));
    }
    let body = Limited::new(response.into_body(), MOST as usize);
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let problem = body
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok());
    Err(match problem {
        Some(problem) => TakeOverError::Refused {
            control: control.to_owned(),
            problem,
        },
        None => broken(control, io::Error::other(format!("status {status}"))),
    })
}

/// The socket below HTTP. The other side is silent until it is told to speak, so that nothing was
/// read of what follows.
pub(super) fn bare(upgraded: Upgraded) -> io::Result<UnixStream> {
    match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
        Ok(_) | Err(_) => Err(io::Error::other("words before their time")),
    }
}

async fn receive(mut stream: UnixStream, control: &Path) -> io::Result<TakeOver> {
    stream.write_u8(LISTENS).await?;
    let length = stream.read_u32().await?;
    if length > MOST {
        return Err(io::Error::other("what it has is longer than 16 MiB"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text).await?;
    // The text holds passwords: what serde says of it is not shown.
    let written: Written = serde_json::from_slice(&text)
        .map_err(|_| io::Error::other("what it has is not described as expected"))?;
    let mut listeners = Vec::with_capacity(written.listeners.len());
    for (address, via) in written.listeners {
        let socket = receive_socket(&stream).await?;
        listeners.push((address, via, TcpListener::from(socket)));
    }
    let socket = receive_socket(&stream).await?;
    Ok(TakeOver {
        estate: Estate {
            policy: written.policy,
            credentials: written.credentials,
            listeners,
        },
        control: UnixListener::from(socket),
        rest: Rest {
            stream,
            control: control.to_owned(),
            pid: written.pid,
        },
    })
}

/// Gives all of it to the new engine.
pub(super) async fn give(
    stream: &mut UnixStream,
    estate: Estate,
    control: BorrowedFd<'_>,
) -> io::Result<()> {
    let Estate {
        policy,
        credentials,
        listeners,
    } = estate;
    let named = listeners.iter().map(|(address, via, _)| (*address, *via));
    let text = serde_json::to_vec(&Written {
        policy,
        credentials,
        listeners: named.collect(),
        pid: Some(std::process::id()),
    })?;
    stream
        .write_u32(u32::try_from(text.len()).map_err(io::Error::other)?)
        .await?;
    stream.write_all(&text).await?;
    for (_, _, socket) in &listeners {
        send_socket(stream, socket.as_fd()).await?;
    }
    send_socket(stream, control).await
}

async fn send_socket(stream: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let send = || descriptor::send(stream, descriptor);
    stream.async_io(Interest::WRITABLE, send).await
}

async fn receive_socket(stream: &UnixStream) -> io::Result<OwnedFd> {
    let receive = || descriptor::receive(stream);
    stream.async_io(Interest::READABLE, receive).await
}

/// Waits for this byte.
pub(super) async fn expect(stream: &mut UnixStream, byte: u8) -> io::Result<()> {
    if stream.read_u8().await? == byte {
        Ok(())
    } else {
        Err(io::Error::other("not the word that was expected"))
    }
}
