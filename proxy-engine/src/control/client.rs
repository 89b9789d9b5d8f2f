//! A typed client of the engine's API, for the control plane and for tests.

mod events;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::{Connection, ConnectionEvent, Guests, Lease, LentCredentials, Problem, Status};
use crate::config::Policy;
use events::Events;

/// Answers longer than this are refused: some thousand connections fit in well.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;
/// A local engine answers at once or is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a request to an engine failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens on the socket, or it may not be opened.
    #[error("no engine answers at {}: {source}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The engine refused.
    #[error("the engine refused: {}", .0.message)]
    Refused(Problem),
    /// The connection broke, or the answer is not what the API promises.
    #[error("the engine at {} did not answer as expected: {detail}", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What was wrong.
        detail: String,
    },
}

/// Speaks to the engine behind one socket; a new connection for each request.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// The time that an agent is attached. Dropping it takes back everything lent under its lease.
#[derive(Debug)]
pub struct Attachment {
    lease: String,
    events: Events,
}

/// What happens to an engine's connections, from the answer on.
#[derive(Debug)]
pub struct Following(Events);

enum Event {
    Lease(Lease),
    Status(Box<Status>),
}

impl Client {
    /// A client of the engine behind this socket; nothing is opened yet.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self {
            socket: socket.as_ref().to_owned(),
        }
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What the engine is doing.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let answer = self.ask(Method::GET, "/v1/status", Bytes::new()).await?;
        self.read(&answer)
    }

    /// Live connections, then the ones that ended last.
    pub async fn connections(&self) -> Result<Vec<Connection>, ClientError> {
        let answer = self.ask(Method::GET, "/v1/connections", Bytes::new());
        self.read(&answer.await?)
    }

    /// Follows what happens to connections, from the answer on.
    pub async fn follow(&self) -> Result<Following, ClientError> {
        let path = "/v1/connections/events";
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        Ok(Following(Events::of(self, answer.into_body())))
    }

    /// Puts this policy in force for new connections. When it returns, it is.
    pub async fn set_policy(&self, policy: &Policy) -> Result<(), ClientError> {
        let body = self.write(policy)?;
        self.ask(Method::PUT, "/v1/policy", body).await?;
        Ok(())
    }

    /// Attaches as the agent of `user`, for as long as the answer lives.
    pub async fn attach(&self, user: &str) -> Result<Attachment, ClientError> {
        let user = percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/v1/attach?user={user}");
        let answer = self.send(Method::POST, &path, Bytes::new()).await?;
        let mut attachment = Attachment {
            lease: String::new(),
            events: Events::of(self, answer.into_body()),
        };
        let first = tokio::time::timeout(ANSWER_TIMEOUT, attachment.event()).await;
        match first {
            Ok(Ok(Some(Event::Lease(lease)))) => attachment.lease = lease.lease,
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) | Err(_) => return Err(self.odd("the first event is not a lease")),
        }
        Ok(attachment)
    }

    /// Lends credentials under a live lease.
    pub async fn lend(&self, credentials: &LentCredentials) -> Result<(), ClientError> {
        let body = self.write(credentials)?;
        self.ask(Method::PUT, "/v1/credentials", body).await?;
        Ok(())
    }

    /// Takes back everything lent under the lease.
    pub async fn take_back(&self, lease: &str) -> Result<(), ClientError> {
        let path = format!("/v1/credentials?lease={lease}");
        self.ask(Method::DELETE, &path, Bytes::new()).await?;
        Ok(())
    }

    /// Says whose the addresses of containers are, under a live lease, in place of what was told
    /// before.
    pub async fn name_guests(&self, guests: &Guests) -> Result<(), ClientError> {
        let body = self.write(guests)?;
        self.ask(Method::PUT, "/v1/guests", body).await?;
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        let exchange = async {
            let response = self.send(method, path, body).await?;
            let body = Limited::new(response.into_body(), ANSWER_LIMIT);
            let collected = body.collect().await.map_err(|e| self.odd(e))?;
            Ok(collected.to_bytes())
        };
        tokio::time::timeout(ANSWER_TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err(self.odd("no answer within 10 s")))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let unreachable = |source| ClientError::Unreachable {
            socket: self.socket.clone(),
            source,
        };
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.odd(e))?;
        tokio::spawn(async move {
            // What goes wrong here reaches the caller through the answer's body.
            let _ = connection.await;
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "engine")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| self.odd(e))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| self.odd(e))?;
        let status = response.status();
        if status == StatusCode::OK || status == StatusCode::NO_CONTENT {
            return Ok(response);
        }
        let body = Limited::new(response.into_body(), ANSWER_LIMIT);
        let body = body.collect().await.map_err(|e| self.odd(e))?.to_bytes();
        Err(match serde_json::from_slice(&body) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => self.odd(format_args!("status {status}")),
        })
    }

    fn read<T: serde::de::DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|e| self.odd(e))
    }

    fn write<T: serde::Serialize>(&self, value: &T) -> Result<Bytes, ClientError> {
        serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|e| self.odd(e))
    }

    fn odd(&self, detail: impl std::fmt::Display) -> ClientError {
        ClientError::Answer {
            socket: self.socket.clone(),
            detail: detail.to_string(),
        }
    }
}

impl Attachment {
    /// Names this attachment when credentials are lent.
    pub fn lease(&self) -> &str {
        &self.lease
    }

    /// The next status; the first comes at once, then one at every change. `None` when the engine
    /// ended.
    pub async fn next_status(&mut self) -> Result<Option<Status>, ClientError> {
        loop {
            match self.event().await? {
                None => return Ok(None),
                Some(Event::Status(status)) => return Ok(Some(*status)),
                Some(Event::Lease(_)) => {}
            }
        }
    }

    /// Cancel-safe.
    async fn event(&mut self) -> Result<Option<Event>, ClientError> {
        while let Some((name, data)) = self.events.next().await? {
            let client = self.events.client();
            match name.as_str() {
                "lease" => return Ok(Some(Event::Lease(client.read(&data)?))),
                "status" => return Ok(Some(Event::Status(client.read(&data)?))),
                // Of a newer engine.
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Following {
    /// The next event; `None` when the engine ended, or another took its place. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<ConnectionEvent>, ClientError> {
        while let Some((name, data)) = self.0.next().await? {
            let client = self.0.client();
            match name.as_str() {
                "opened" => return Ok(Some(ConnectionEvent::Opened(client.read(&data)?))),
                "routed" => return Ok(Some(ConnectionEvent::Routed(client.read(&data)?))),
                "ended" => return Ok(Some(ConnectionEvent::Ended(client.read(&data)?))),
                "lost" => return Ok(Some(ConnectionEvent::Lost(client.read(&data)?))),
                _ => {}
            }
        }
        Ok(None)
    }
}
