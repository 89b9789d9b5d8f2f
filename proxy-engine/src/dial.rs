//! A route becomes a connected stream.

pub mod auth;
mod chain;
mod connect;
mod direct;
mod error;
mod http_connect;
mod source_port;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::net::TcpStream;

pub use chain::Chain;
pub use connect::{connect_any, resolve};
pub(crate) use connect::{doubt, tune};
pub use direct::dial_direct;
pub use error::DialError;
pub(crate) use http_connect::judge;
pub use http_connect::reply;

use crate::accept::Asker;
use crate::config::{EngineConfig, Limits, Upstream};
use crate::observe::{Changes, UpstreamHealth};
use crate::route::Destination;
use auth::{Credentials, Permit};

/// A connection that cannot be had in this time is given up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An upstream that says nothing for this long after a request is given up.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Dials upstreams: it knows whose credentials are lent and how each upstream does.
#[derive(Debug)]
pub struct Dialer {
    /// What is lent.
    pub credentials: Credentials,
    /// How the last connection through each upstream went.
    pub health: UpstreamHealth,
    /// What this engine calls itself in `Via`: unique, so that a loop is seen.
    pub pseudonym: Arc<str>,
    /// How long an upstream's answer may be.
    pub limits: Limits,
}

/// A TCP connection to an upstream, and what may be said on it.
#[derive(Debug)]
pub struct UpstreamStream {
    /// Connected; nothing was sent.
    pub stream: TcpStream,
    /// Which upstream it is.
    pub upstream: Upstream,
    /// The credentials for one request.
    pub permit: Permit,
}

/// A tunnel through an upstream.
#[derive(Debug)]
pub struct Tunnel {
    /// From here on the origin's.
    pub stream: TcpStream,
    /// What the origin said in the same segment as the upstream's answer.
    pub early: BytesMut,
    /// Which upstream it is.
    pub upstream: Upstream,
    /// The time from the dial to the upstream's yes.
    pub took: Duration,
}

impl Dialer {
    /// A dialer without any credentials, within the limits and for the users of `config`.
    pub fn new(changes: &Changes, pseudonym: Arc<str>, config: &EngineConfig) -> Self {
        Self {
            credentials: Credentials::new(config.access.credential_users.clone(), changes.clone()),
            health: UpstreamHealth::new(changes.clone()),
            pseudonym,
            limits: config.limits,
        }
    }

    /// Connects to the first upstream that can be reached and whose credentials, where it needs
    /// any, are lent.
    ///
    /// # Errors
    /// That of the first upstream, when none can be had.
    pub async fn open(
        &self,
        upstreams: &[Upstream],
        asker: &Asker,
    ) -> Result<UpstreamStream, DialError> {
        let mut first = None;
        for upstream in upstreams {
            match self.open_one(upstream, asker).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    self.failed(upstream, &error);
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(DialError::NoUpstream))
    }

    /// A tunnel to `to` through the first upstream that can be reached. An upstream that answers
    /// is not second-guessed: its refusal is final.
    ///
    /// # Errors
    /// That of the first upstream, when none can be had, or the refusal of the one that answered.
    pub async fn tunnel(
        &self,
        upstreams: &[Upstream],
        to: &Destination,
        user_agent: Option<&[u8]>,
        asker: &Asker,
    ) -> Result<Tunnel, DialError> {
        let mut first = None;
        for upstream in upstreams {
            let began = Instant::now();
            let tunnel = async {
                let opened = self.open_one(upstream, asker).await?;
                http_connect::tunnel(opened, to, user_agent, &self.pseudonym, &self.limits).await
            };
            match tunnel.await {
                Ok((stream, early)) => {
                    self.health.succeeded(&upstream.authority());
                    return Ok(Tunnel {
                        stream,
                        early,
                        upstream: upstream.clone(),
                        took: began.elapsed(),
                    });
                }
                Err(error) => {
                    self.failed(upstream, &error);
                    if error.is_an_answer() {
                        return Err(error);
                    }
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(DialError::NoUpstream))
    }

    /// Remembers why a connection through this upstream failed.
    pub fn failed(&self, upstream: &Upstream, error: &DialError) {
        // What it denies to one user of this machine says nothing of how it does.
        if matches!(error, DialError::CredentialsWithheld { .. }) {
            return tracing::info!(%error, "credentials withheld");
        }
        tracing::warn!(upstream = %upstream.authority(), %error, "upstream failed");
        self.health.failed(&upstream.authority(), error.problem());
    }

    async fn open_one(
        &self,
        upstream: &Upstream,
        asker: &Asker,
    ) -> Result<UpstreamStream, DialError> {
        let permit = self.credentials.permit(upstream, asker).await?;
        let stream = connect::upstream(upstream).await?;
        // Known before it can call back by a bridge that is captured.
        if let Ok(at) = stream.peer_addr() {
            let ip = at.ip().to_canonical();
            self.health.reached(&upstream.authority(), ip);
        }
        Ok(UpstreamStream {
            stream,
            upstream: upstream.clone(),
            permit,
        })
    }
}
