//! A route becomes a connected stream.

pub mod auth;
mod chain;
mod connect;
mod direct;
mod error;
mod http_connect;
mod journey;
mod order;
pub mod socks;
mod source_port;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

pub use chain::Chain;
pub use connect::{connect_any, resolve};
pub(crate) use connect::{doubt, keep_alive, tune};
pub use direct::dial_direct;
pub use error::DialError;
pub(crate) use http_connect::final_answer;
pub use http_connect::reply;
pub use journey::Journey;
pub use tls::CaError;

use crate::accept::Asker;
use crate::config::{Certificates, EngineConfig, Limits, Scheme, Upstream, Way};
use crate::http::LongSections;
use crate::observe::{Changes, UpstreamHealth};
use crate::relay::Stream;
use auth::{Credentials, Login};
use order::{look_for, order};
use tls::Tls;

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
    pub health: Arc<UpstreamHealth>,
    /// What this engine calls itself in `Via`: unique, so that a loop is seen.
    pub pseudonym: Arc<str>,
    /// How long an upstream's answer may be.
    pub limits: Limits,
    /// The rights to long heads of answers to a CONNECT, by the upstream's address.
    long_answers: LongSections,
    tls: Tls,
}

/// A connection for a request, and what may be said on it.
#[derive(Debug)]
pub struct Opened {
    /// Connected; of the request nothing was sent.
    pub stream: Stream,
    /// What the other end has already said, where that is the origin.
    pub early: BytesMut,
    /// Which way it goes.
    pub way: Way,
    /// What is said to a proxy about who asks; `None` where none is spoken to.
    pub login: Option<Login>,
}

/// A tunnel to a destination.
#[derive(Debug)]
pub struct Tunnel {
    /// From here on the origin's.
    pub stream: Stream,
    /// What the origin said in the same segment as the upstream's answer.
    pub early: BytesMut,
    /// Which way it goes.
    pub way: Way,
    /// The time from the dial to the upstream's yes.
    pub took: Duration,
}

impl Dialer {
    /// A dialer without any credentials, within the limits and for the users of `config`.
    ///
    /// # Errors
    /// The certificates that `config` names cannot be had.
    pub fn new(
        changes: &Changes,
        pseudonym: Arc<str>,
        config: &EngineConfig,
    ) -> Result<Self, CaError> {
        Ok(Self {
            credentials: Credentials::new(config.access.credential_users.clone(), changes.clone()),
            health: Arc::new(UpstreamHealth::new(changes.clone())),
            pseudonym,
            limits: config.limits,
            long_answers: LongSections::default(),
            tls: Tls::new(config.upstream_ca.as_deref())?,
        })
    }

    /// Upstreams may prove themselves by these certificates, too, from now on.
    pub fn trust(&self, named: Option<Certificates>) {
        self.tls.trust(named);
    }

    /// Connects by the first way that can be had: to an upstream whose credentials, where it needs
    /// any, are lent, or to the destination itself.
    ///
    /// # Errors
    /// That of the first way, when none can be had.
    pub async fn open(&self, ways: &[Way], journey: &Journey<'_>) -> Result<Opened, DialError> {
        let mut first = None;
        for (way, patience) in order(ways, &self.health) {
            let began = Instant::now();
            let opened = match way {
                Way::Upstream(upstream) if upstream.scheme().is_http() => {
                    let reached = self.reach(upstream, journey.asker, patience).await;
                    reached.map(|(stream, login)| (stream, BytesMut::new(), Some(login)))
                }
                // As if it were the origin itself.
                Way::Upstream(_) | Way::Direct => {
                    let origin = self.to_origin(way, journey, None, patience).await;
                    origin.map(|(stream, early)| (stream, early, None))
                }
            };
            match opened {
                Ok((stream, early, login)) => {
                    return Ok(Opened {
                        stream,
                        early,
                        way: way.clone(),
                        login,
                    });
                }
                Err(error) => self.pass_over(way, error, began, &mut first)?,
            }
        }
        Err(first.unwrap_or(DialError::NoUpstream))
    }

    /// A tunnel by the first way that can be had. An upstream that answers is not second-guessed:
    /// its refusal is final.
    ///
    /// # Errors
    /// That of the first way, when none can be had, or the refusal of the one that answered.
    pub async fn tunnel(
        &self,
        ways: &[Way],
        journey: &Journey<'_>,
        user_agent: Option<&[u8]>,
    ) -> Result<Tunnel, DialError> {
        let mut first = None;
        for (way, patience) in order(ways, &self.health) {
            let began = Instant::now();
            match self.to_origin(way, journey, user_agent, patience).await {
                Ok((stream, early)) => {
                    return Ok(Tunnel {
                        stream,
                        early,
                        way: way.clone(),
                        took: began.elapsed(),
                    });
                }
                Err(error) => self.pass_over(way, error, began, &mut first)?,
            }
        }
        Err(first.unwrap_or(DialError::NoUpstream))
    }

    /// Goes on to the next way, unless this one gave an answer.
    fn pass_over(
        &self,
        way: &Way,
        error: DialError,
        began: Instant,
        first: &mut Option<DialError>,
    ) -> Result<(), DialError> {
        if let Way::Upstream(upstream) = way {
            self.failed(upstream, &error, began);
            if error.is_an_answer() {
                return Err(error);
            }
        }
        first.get_or_insert(error);
        Ok(())
    }

    /// A stream on which the origin is, and what it has said already.
    async fn to_origin(
        &self,
        way: &Way,
        journey: &Journey<'_>,
        user_agent: Option<&[u8]>,
        patience: Duration,
    ) -> Result<(Stream, BytesMut), DialError> {
        let upstream = match way {
            Way::Direct => return Ok((journey.direct().await?.into(), BytesMut::new())),
            Way::Upstream(upstream) => upstream,
        };
        let authority = upstream.authority();
        let reached = match upstream.scheme() {
            Scheme::Http | Scheme::Https => {
                let (stream, login) = self.reach(upstream, journey.asker, patience).await?;
                let asked = http_connect::Asked {
                    upstream,
                    to: journey.to,
                    user_agent,
                };
                let tunnel = http_connect::tunnel(self, stream, login, &asked).await;
                let for_443 = || self.health.connects_to_443_only(&authority);
                let tunnel =
                    tunnel.map_err(|error| error.for_443_only(journey.to.port, for_443))?;
                self.health.connected_to(&authority, journey.to.port);
                tunnel
            }
            Scheme::Socks4 | Scheme::Socks4a | Scheme::Socks5 | Scheme::Socks5h => {
                self.credentials.check(upstream, journey.asker)?;
                let stream = self.call_within(upstream, patience).await?;
                // Others wait for the verdict on a fresh password, but not for a connection.
                let permit = self.credentials.permit(upstream, journey.asker).await?;
                socks::tunnel(stream, permit, upstream, journey.to).await?
            }
        };
        self.health.succeeded(&authority);
        Ok(reached)
    }

    /// Remembers why a connection through this upstream failed that was begun then.
    pub fn failed(&self, upstream: &Upstream, error: &DialError, began: Instant) {
        // What it denies to one user of this machine says nothing of how it does.
        if matches!(error, DialError::CredentialsWithheld { .. }) {
            return tracing::info!(%error, "credentials withheld");
        }
        // Nor what this engine lacks.
        if matches!(error, DialError::NoRoom(_)) {
            return;
        }
        let (authority, problem) = (upstream.authority(), error.problem());
        // What it says may name a host that somebody visits, which a log does not do by itself.
        tracing::warn!(upstream = %authority, code = %problem.code, "upstream failed");
        tracing::debug!(%error, "upstream failed");
        if !error.is_lost() {
            return self.health.failed(&authority, problem);
        }
        if self.health.lost(&authority, problem, began) {
            let health = Arc::downgrade(&self.health);
            tokio::spawn(look_for(upstream.clone(), health));
        }
    }

    /// A connection to an upstream, and the conversation about who asks.
    async fn reach(
        &self,
        upstream: &Upstream,
        asker: &Asker,
        patience: Duration,
    ) -> Result<(Stream, Login), DialError> {
        let login = self.credentials.login(upstream, asker).await?;
        Ok((self.call_within(upstream, patience).await?, login))
    }

    /// A connection to an upstream, of which nothing was asked yet.
    ///
    /// # Errors
    /// [`DialError::UpstreamUnreachable`]; those of TLS where it is spoken inside of that.
    pub async fn call(&self, upstream: &Upstream) -> Result<Stream, DialError> {
        self.call_within(upstream, CONNECT_TIMEOUT).await
    }

    async fn call_within(
        &self,
        upstream: &Upstream,
        patience: Duration,
    ) -> Result<Stream, DialError> {
        let stream = connect::upstream(upstream, patience).await?;
        // Known before it can call back by a bridge that is captured.
        if let Ok(at) = stream.peer_addr() {
            let ip = at.ip().to_canonical();
            self.health.reached(&upstream.authority(), ip);
        }
        Ok(match upstream.scheme() {
            Scheme::Https => self.tls.wrap(upstream, stream).await?,
            _ => stream.into(),
        })
    }
}
