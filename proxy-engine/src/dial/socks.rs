//! A tunnel through a SOCKS proxy: version 4 and 4a (by their authors' memos), version 5 (RFC 1928)
//! with user and password (RFC 1929).

mod reply;
mod request;

use std::net::SocketAddr;

use bytes::BytesMut;
use secrecy::ExposeSecret as _;

use super::auth::Permit;
use super::{ANSWER_TIMEOUT, DialError, resolve};
use crate::config::{Scheme, Upstream};
use crate::relay::Stream;
use crate::route::Destination;

pub use reply::{Login, Method, Refusal, Reply, login, method, reply_v4, reply_v5};

/// Asks for a tunnel. What the origin may already have said comes second.
pub(super) async fn tunnel(
    mut stream: Stream,
    permit: Permit,
    upstream: &Upstream,
    to: &Destination,
) -> Result<(Stream, BytesMut), DialError> {
    let to_proxy = named(upstream, to).await?;
    let mut socks = Socks {
        stream: &mut stream,
        read: BytesMut::new(),
        upstream,
    };
    let asked = async {
        match upstream.scheme() {
            Scheme::Socks4 | Scheme::Socks4a => socks.ask_v4(&to_proxy).await,
            _ => socks.ask_v5(&to_proxy, permit).await,
        }
    };
    match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
        Err(_) => Err(DialError::UpstreamTimeout {
            upstream: upstream.clone(),
        }),
        Ok(Err(error)) => Err(error),
        Ok(Ok(Err(refusal))) => Err(DialError::SocksRefused {
            upstream: upstream.clone(),
            destination: to.to_string(),
            refusal,
        }),
        Ok(Ok(Ok(()))) => {
            let early = socks.read;
            Ok((stream, early))
        }
    }
}

/// Where to, as the proxy is told: some are told addresses alone.
async fn named(upstream: &Upstream, to: &Destination) -> Result<Destination, DialError> {
    let wants = match upstream.scheme() {
        Scheme::Socks4 => |at: &SocketAddr| at.is_ipv4(),
        // More proxies reach the old addresses.
        Scheme::Socks5 => |_: &SocketAddr| true,
        _ => return Ok(to.clone()),
    };
    let no_address = |detail: String| DialError::Resolve {
        host: to.host.to_string(),
        detail,
    };
    let mut found = resolve(&to.host, to.port)
        .await
        .map_err(|error| no_address(error.to_string()))?;
    found.sort_by_key(SocketAddr::is_ipv6);
    let at = found.into_iter().find(wants);
    let at = at.ok_or_else(|| no_address("it has no IPv4 address, and SOCKS 4 no other".into()))?;
    Ok(at.into())
}

struct Socks<'a> {
    stream: &'a mut Stream,
    read: BytesMut,
    upstream: &'a Upstream,
}

impl Socks<'_> {
    async fn ask_v4(&mut self, to: &Destination) -> Result<Reply, DialError> {
        self.write(&request::v4(to)).await?;
        self.answer(reply_v4).await
    }

    async fn ask_v5(&mut self, to: &Destination, permit: Permit) -> Result<Reply, DialError> {
        let withheld = matches!(permit, Permit::Withheld);
        let attempt = match permit {
            Permit::Attempt(attempt) => Some(attempt),
            Permit::NoneNeeded | Permit::Withheld => None,
        };
        self.write(request::greeting(attempt.is_some())).await?;
        let upstream = || self.upstream.clone();
        match (self.answer(method).await?, attempt) {
            (Method::NoneNeeded, _) => {}
            (Method::Password, Some(attempt)) => {
                let request =
                    request::login(&attempt).ok_or_else(|| DialError::UpstreamAnswer {
                        upstream: upstream(),
                        detail: "it takes no user and no password of more than 255 bytes".into(),
                    })?;
                self.write(request.expose_secret()).await?;
                match self.answer(login).await? {
                    Login::Accepted => attempt.accepted(),
                    Login::Refused => {
                        attempt.refused();
                        return Err(DialError::CredentialsRefused {
                            upstream: self.upstream.clone(),
                        });
                    }
                }
            }
            (Method::None, Some(_)) => {
                return Err(DialError::UpstreamAnswer {
                    upstream: self.upstream.clone(),
                    detail: "it takes no user and password, and nobody without".into(),
                });
            }
            (Method::None, None) if withheld => {
                return Err(DialError::CredentialsWithheld {
                    upstream: self.upstream.clone(),
                });
            }
            (Method::None, None) => {
                return Err(DialError::CredentialsWanted {
                    upstream: self.upstream.clone(),
                });
            }
            (Method::Password, None) => {
                return Err(self.no_answer("it chose a method that was not offered".into()));
            }
        }
        self.write(&request::v5(to)).await?;
        self.answer(reply_v5).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), DialError> {
        let written = self.stream.send(bytes).await;
        written.map_err(|error| self.no_answer(error.to_string()))
    }

    /// The next answer. What comes behind it stays.
    async fn answer<T>(
        &mut self,
        parse: impl Fn(&mut BytesMut) -> Result<Option<T>, &'static str>,
    ) -> Result<T, DialError> {
        loop {
            match parse(&mut self.read) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(detail) => return Err(self.no_answer(detail.into())),
            }
            match self.stream.receive(&mut self.read).await {
                Ok(0) => return Err(self.no_answer("it closed the connection".into())),
                Ok(_) => {}
                Err(error) => return Err(self.no_answer(error.to_string())),
            }
        }
    }

    fn no_answer(&self, detail: String) -> DialError {
        DialError::UpstreamAnswer {
            upstream: self.upstream.clone(),
            detail,
        }
    }
}
