//! Speaking to the agent that runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{
    Applied, ApplyRequest, Door, Examination, Explanation, Plan, Problem, SettingsChange,
    SettingsView, Status, StoreCredentials, Undone, peer,
};
use crate::target::TargetId;

mod events;

pub use events::Events;

/// Questions are answered within this, or the agent hangs: asking every target takes seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Changes may restart a Docker daemon with many containers.
const CHANGE_WITHIN: Duration = Duration::from_mins(10);
/// A plan's diff is the longest answer: a few configuration files of at most 1 MiB each.
const LONGEST_ANSWER: usize = 16 << 20;

/// The agent that runs, reached through its socket. One connection a request: cheap here, and
/// nothing to be kept alive.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    pid: u32,
}

/// Why the agent cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens: no agent runs.
    #[error("no agent runs (nobody listens on {}): start it with `gangway run`", .0.display())]
    NoAgent(PathBuf),
    /// Somebody else listens there.
    #[error("{} belongs to user id {uid}, not to you: it is not spoken to", socket.display())]
    NotYours {
        /// The socket.
        socket: PathBuf,
        /// Who listens.
        uid: u32,
    },
    /// The socket is there and cannot be used.
    #[error("cannot connect to the agent on {}: {source}", socket.display())]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
}

impl Client {
    /// The agent behind `socket`, if one listens there and it is this user's.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(socket: &Path) -> Result<Self, ConnectError> {
        let (_, peer) = open(socket).await?;
        Ok(Self {
            socket: socket.to_owned(),
            pid: peer.pid,
        })
    }

    /// The agent's process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The status now and at every change, until the agent ends.
    ///
    /// # Errors
    /// A [`Problem`] when the agent cannot be reached or has too many listeners already.
    pub async fn events(&self) -> Result<Events, Problem> {
        let response = self
            .exchange(Method::GET, "/v1/events", Bytes::new())
            .await?;
        if !response.status().is_success() {
            return Err(problem_of(&read_body(response).await?));
        }
        Ok(Events::new(response.into_body()))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        within: Duration,
        body: Bytes,
    ) -> Result<T, Problem> {
        let bytes = self.ask_bytes(method, path, within, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            broken(format_args!(
                "its answer to {path} is not understood ({error}): another version runs"
            ))
        })
    }

    async fn ask_bytes(
        &self,
        method: Method,
        path: &str,
        within: Duration,
        body: Bytes,
    ) -> Result<Bytes, Problem> {
        let answer = async {
            let response = self.exchange(method, path, body).await?;
            let status = response.status();
            let bytes = read_body(response).await?;
            if status.is_success() {
                Ok(bytes)
            } else {
                Err(problem_of(&bytes))
            }
        };
        tokio::time::timeout(within, answer)
            .await
            .unwrap_or_else(|_| {
                Err(broken(format_args!(
                    "no answer to {path} within {} s",
                    within.as_secs()
                )))
            })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Problem> {
        let (stream, _) = open(&self.socket)
            .await
            .map_err(|error| Problem::new("agent_unreachable", error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Ends with the response's body; a failure of it is the body's failure too.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "gangway")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(broken)?;
        sender.send_request(request).await.map_err(broken)
    }
}

impl Door for Client {
    async fn status(&self) -> Result<Status, Problem> {
        self.get("/v1/status").await
    }

    async fn plan(&self) -> Result<Plan, Problem> {
        self.get("/v1/plan").await
    }

    async fn apply(&self, request: ApplyRequest) -> Result<Applied, Problem> {
        self.send(Method::POST, "/v1/apply", &request).await
    }

    async fn undo(&self, only: Option<&TargetId>) -> Result<Undone, Problem> {
        let path = match only {
            None => "/v1/undo".to_owned(),
            Some(TargetId(target)) => {
                let target = utf8_percent_encode(target, NON_ALPHANUMERIC);
                format!("/v1/undo?target={target}")
            }
        };
        self.ask(Method::POST, &path, CHANGE_WITHIN, Bytes::new())
            .await
    }

    async fn explain(&self, url: &str) -> Result<Explanation, Problem> {
        let url = utf8_percent_encode(url, NON_ALPHANUMERIC);
        self.get(&format!("/v1/explain?url={url}")).await
    }

    async fn examine(&self) -> Result<Examination, Problem> {
        self.get("/v1/doctor").await
    }

    async fn settings(&self) -> Result<SettingsView, Problem> {
        self.get("/v1/settings").await
    }

    async fn change_settings(&self, change: SettingsChange) -> Result<SettingsView, Problem> {
        self.send(Method::PUT, "/v1/settings", &change).await
    }

    async fn store_credentials(&self, credentials: StoreCredentials) -> Result<(), Problem> {
        let body = json(&credentials)?;
        self.ask_bytes(Method::PUT, "/v1/credentials", CHANGE_WITHIN, body)
            .await
            .map(drop)
    }

    async fn forget_credentials(&self, authority: &str) -> Result<(), Problem> {
        let authority = utf8_percent_encode(authority, NON_ALPHANUMERIC);
        let path = format!("/v1/credentials?authority={authority}");
        self.ask_bytes(Method::DELETE, &path, CHANGE_WITHIN, Bytes::new())
            .await
            .map(drop)
    }
}

impl Client {
    // Boxed: the caller's future would otherwise hold hyper's whole state a dozen times over.
    fn get<'a, T: DeserializeOwned + Send + 'a>(
        &'a self,
        path: &'a str,
    ) -> BoxFuture<'a, Result<T, Problem>> {
        Box::pin(self.ask(Method::GET, path, ANSWER_WITHIN, Bytes::new()))
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Problem> {
        self.ask(method, path, CHANGE_WITHIN, json(body)?).await
    }
}

async fn open(socket: &Path) -> Result<(UnixStream, peer::Peer), ConnectError> {
    use std::io::ErrorKind;
    let failed = |source: std::io::Error| match source.kind() {
        // A socket that nobody listens on is what a killed agent leaves.
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            ConnectError::NoAgent(socket.to_owned())
        }
        _ => ConnectError::Io {
            socket: socket.to_owned(),
            source,
        },
    };
    let stream = UnixStream::connect(socket).await.map_err(failed)?;
    let peer = peer::of(&stream).map_err(failed)?;
    if !peer.is_trusted() {
        return Err(ConnectError::NotYours {
            socket: socket.to_owned(),
            uid: peer.uid,
        });
    }
    Ok((stream, peer))
}

async fn read_body(response: Response<Incoming>) -> Result<Bytes, Problem> {
    Limited::new(response.into_body(), LONGEST_ANSWER)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(broken)
}

fn problem_of(body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or_else(|_| broken(String::from_utf8_lossy(body)))
}

fn json(body: &impl Serialize) -> Result<Bytes, Problem> {
    serde_json::to_vec(body).map(Bytes::from).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Problem {
    Problem::new(
        "agent_broken",
        format!("the agent could not be asked: {error}"),
    )
    .with("error", error)
}
