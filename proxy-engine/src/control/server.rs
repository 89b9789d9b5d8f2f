//! Serves the API of one engine on a Unix socket.

mod answer;
mod connections;
mod events;
mod hand_over;
mod scrape;
mod strangers;

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};

use super::lenders::Lenders;
use super::{LentCredentials, Problem, peer};
use crate::config::Policy;
use crate::engine::{Engine, EngineError};
use answer::{Body, Refusal, empty, json};
pub use scrape::{scraped, serve_metrics};
use strangers::Strangers;

/// The longest request body.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// A client gets this long to send a head, and as long to send a body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another engine answers on the socket.
    #[error("another engine answers at {}; stop it, or choose another --control", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket lies there.
    #[error("{} is in the way: it is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The folder of the socket is missing.
    #[error("cannot serve {}: its folder is not there; make it, or choose another --control", .0.display())]
    NoFolder(PathBuf),
    /// Anything else.
    #[error("cannot serve {}: {source}", socket.display())]
    Socket {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A socket that is listened on; removed when this is dropped, unless it was handed over.
#[derive(Debug)]
pub struct Server {
    listener: Arc<UnixListener>,
    path: PathBuf,
    lenders: Lenders,
    /// The engine that is served, once one is.
    engine: Option<Engine>,
}

impl Server {
    /// Listens on the socket, mode 0600, in place of one that a dead engine left.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn bind(path: &Path) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Socket {
            socket: path.to_owned(),
            source,
        };
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed(source)),
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(ServeError::NotASocket(path.to_owned()));
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(ServeError::InUse(path.to_owned()));
            }
            Ok(_) => std::fs::remove_file(path).map_err(failed)?,
        }
        let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ServeError::NoFolder(path.to_owned()),
            _ => failed(error),
        })?;
        let server = Self::over(listener, path);
        server.set_mode(0o600)?;
        Ok(server)
    }

    /// Listens on the socket that the former engine had at `path`; `group` as in
    /// [`Server::open_to`].
    ///
    /// # Errors
    /// [`ServeError::Socket`].
    pub fn taken_over(
        listener: std::os::unix::net::UnixListener,
        path: &Path,
        group: Option<String>,
    ) -> Result<Self, ServeError> {
        let listener = UnixListener::from_std(listener).map_err(|source| ServeError::Socket {
            socket: path.to_owned(),
            source,
        })?;
        let server = Self::over(listener, path);
        match group {
            Some(group) => server.open_to(group),
            None => server.set_mode(0o600).map(|()| server),
        }
    }

    fn over(listener: UnixListener, path: &Path) -> Self {
        Self {
            listener: Arc::new(listener),
            path: path.to_owned(),
            lenders: Lenders::alone(),
            engine: None,
        }
    }

    /// Lets the members of `group` speak, too: everybody can open the socket from now on, and
    /// whoever is no member is told how to become one.
    ///
    /// # Errors
    /// [`ServeError::Socket`].
    pub fn open_to(mut self, group: String) -> Result<Self, ServeError> {
        self.lenders.and_members_of(group);
        self.set_mode(0o666)?;
        Ok(self)
    }

    fn set_mode(&self, mode: u32) -> Result<(), ServeError> {
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(mode)).map_err(
            |source| ServeError::Socket {
                socket: self.path.clone(),
                source,
            },
        )
    }

    /// Serves until it is dropped, or another engine has taken the place of this one.
    pub async fn serve(mut self, engine: Engine) {
        self.engine = Some(engine.clone());
        let mut strangers = Strangers::new();
        loop {
            let accepted = tokio::select! {
                () = engine.handed_over() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => match peer::of(&stream) {
                    Ok(peer) => match self.lenders.judge(&peer) {
                        Ok(()) => {
                            let own = Arc::clone(&self.listener);
                            tokio::spawn(connection(stream, peer.uid, engine.clone(), own));
                        }
                        Err(problem) => strangers.refuse(stream, peer.uid, problem),
                    },
                    Err(error) => tracing::warn!(%error, "a control peer cannot be told: refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "control connection not accepted");
                    // Out of descriptors: connections that end give some back.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let handed_over = self.engine.as_ref().is_some_and(Engine::has_handed_over);
        if !handed_over {
            // When it is gone already, that is what was wanted.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

async fn connection(stream: UnixStream, uid: u32, engine: Engine, own: Arc<UnixListener>) {
    let service = service_fn(move |request| {
        let (engine, own) = (engine.clone(), Arc::clone(&own));
        async move {
            let answered = match request.uri().path() {
                "/v1/hand-over" => hand_over::response(&engine, uid, own, request).await,
                _ => answer(&engine, uid, request).await,
            };
            Ok::<_, std::convert::Infallible>(answered.unwrap_or_else(Refusal::into_response))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "control connection ended");
    }
}

async fn answer(
    engine: &Engine,
    uid: u32,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/v1/status") => json(&engine.status()),
        (&Method::GET, "/metrics") => Ok(answer::metrics(engine.metrics())),
        (&Method::GET, "/v1/connections") => connections::list(engine).await,
        (&Method::GET, "/v1/connections/events") => connections::events(engine),
        (&Method::PUT, "/v1/policy") => {
            let policy: Policy = read(request).await?;
            engine.swap_policy(policy).await?;
            Ok(empty())
        }
        (&Method::POST, "/v1/attach") => {
            let user = parameter(&query, "user").ok_or_else(|| Refusal::missing("user"))?;
            let attached = engine.attach(&user, uid)?;
            Ok(events::response(engine.clone(), attached))
        }
        (&Method::PUT, "/v1/credentials") => {
            let credentials: LentCredentials = read(request).await?;
            engine.lend(&credentials)?;
            Ok(empty())
        }
        (&Method::PUT, "/v1/guests") => {
            engine.name_guests(&read(request).await?)?;
            Ok(empty())
        }
        (&Method::DELETE, "/v1/credentials") => {
            let lease = parameter(&query, "lease").ok_or_else(|| Refusal::missing("lease"))?;
            engine.take_back(&lease);
            Ok(empty())
        }
        (
            _,
            "/metrics"
            | "/v1/status"
            | "/v1/connections"
            | "/v1/connections/events"
            | "/v1/policy"
            | "/v1/attach"
            | "/v1/credentials"
            | "/v1/guests",
        ) => Err(Refusal::method()),
        _ => Err(Refusal::path(&path)),
    }
}

async fn read<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect();
    let body: Bytes = match tokio::time::timeout(PATIENCE, body).await {
        Err(_) => return Err(Refusal::body("it did not arrive within 10 s")),
        Ok(Err(_)) => return Err(Refusal::body("it is longer than 1 MiB, or broke off")),
        Ok(Ok(body)) => body.to_bytes(),
    };
    // What serde says quotes values only where they are of the wrong kind; a body of credentials
    // has strings alone, so that no password gets into a message.
    serde_json::from_slice(&body).map_err(|error| Refusal::body(&describe(&error)))
}

fn describe(error: &serde_json::Error) -> String {
    if error.is_data() {
        error.to_string()
    } else {
        format!(
            "it is not JSON, from line {} column {} on",
            error.line(),
            error.column()
        )
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let text = percent_encoding::percent_decode_str(value)
        .decode_utf8()
        .ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.into_owned())
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let status = match error {
            EngineError::NoUpstream => http::StatusCode::UNPROCESSABLE_ENTITY,
            EngineError::NoLease
            | EngineError::AttachedToOther(_)
            | EngineError::HoldsRules
            | EngineError::DecidesNothing(_) => http::StatusCode::CONFLICT,
            EngineError::Ending => http::StatusCode::SERVICE_UNAVAILABLE,
            EngineError::State { .. }
            | EngineError::Random(_)
            | EngineError::Key(_)
            | EngineError::Ca(_)
            | EngineError::Capabilities(_) => http::StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.problem())
    }
}

impl Refusal {
    fn missing(name: &str) -> Self {
        Self::unprocessable("missing_parameter", format!("the query needs {name}=…"))
    }

    fn body(detail: &str) -> Self {
        Self::unprocessable("bad_body", format!("the body was refused: {detail}"))
    }

    fn method() -> Self {
        let problem = Problem {
            code: "bad_method".into(),
            message: "this path does not know the method".into(),
        };
        Self::new(http::StatusCode::METHOD_NOT_ALLOWED, problem)
    }

    fn path(path: &str) -> Self {
        Self::nothing_there(&format!("there is nothing at {path}; try /v1/status"))
    }

    fn nothing_there(message: &str) -> Self {
        let problem = Problem {
            code: "bad_path".into(),
            message: message.into(),
        };
        Self::new(http::StatusCode::NOT_FOUND, problem)
    }
}
