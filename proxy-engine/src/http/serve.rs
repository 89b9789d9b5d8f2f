//! One client's connection: each request is routed by itself.

mod asked;
mod next_hop;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::asked::AskedFor;
use super::answer::linger;
use super::body::Source;
use super::exchange::{Hop, LeadsTo, Outcome, Outgoing, exchange};
use super::head::HeadError;
use super::{Answer, Framing, RequestHead, forward, target};
use crate::accept::inward;
use crate::control::{Problem, RouteTaken};
use crate::dial::auth::Permit;
use crate::dial::{DialError, dial_direct};
use crate::engine::Core;
use crate::observe::Record;
use crate::relay::{relay, reset};
use crate::route::{Route, Router, route_original};

/// A head that is not complete after this time is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A client may keep its connection this long without a request.
const KEEP_ALIVE: Duration = Duration::from_mins(2);
/// A client's connection, and what was read from it already.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub stream: TcpStream,
    /// Bytes that come first.
    pub read: BytesMut,
    /// Who it is.
    pub address: SocketAddr,
    /// What it believes that it speaks to.
    pub asked: Asked,
}

/// What a client believes that it speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A proxy.
    Proxy,
    /// The origin at this address; interception brought it here.
    Origin(SocketAddr),
}

/// Serves the client until one side ends. The connection sees `router` from start to end; once
/// another policy is in force, it is closed after the response under way.
pub async fn serve(core: &Core, router: &Arc<Router>, client: Client, record: &Record) {
    let mut connection = Connection {
        core,
        router,
        client,
        record,
        hop: None,
    };
    loop {
        let head = match connection.next_head().await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(answer) => return connection.refuse(answer, false).await,
        };
        // On the heap, so that an idle connection and a tunnel do not carry what it needs.
        match Box::pin(connection.request(head)).await {
            After::Next => {}
            After::Linger => return linger(connection.client.stream).await,
            After::Tunnel { stream, early } => {
                let client = connection.client;
                let (up, down) = (record.bytes_up(), record.bytes_down());
                let ended = relay(client.stream, stream, &client.read, &early, up, down).await;
                if let Err(error) = ended {
                    tracing::debug!(%error, client = %client.address, "tunnel ended");
                }
                return;
            }
            After::Reset => {
                reset(&connection.client.stream);
                return;
            }
        }
    }
}

struct Connection<'a> {
    core: &'a Core,
    router: &'a Arc<Router>,
    client: Client,
    record: &'a Record,
    /// The next hop of the last request, for the next one.
    hop: Option<Hop>,
}

enum After {
    Next,
    /// The client was answered and may still be sending.
    Linger,
    Tunnel {
        stream: TcpStream,
        early: BytesMut,
    },
    /// The client must not take what it got for the whole.
    Reset,
}

impl Connection<'_> {
    /// The next request's head; `None` when the client left or waited too long.
    async fn next_head(&mut self) -> Result<Option<RequestHead>, Answer> {
        let mut patience = KEEP_ALIVE;
        if self.client.read.is_empty() {
            // An idle connection holds no memory for bytes that may never come.
            self.client.read = BytesMut::new();
        }
        loop {
            match RequestHead::parse(&mut self.client.read) {
                Ok(Some(head)) => return Ok(Some(head)),
                Ok(None) => {}
                Err(error @ HeadError::TooLarge) => {
                    return Err(Answer::new(431, error.to_string()));
                }
                Err(error) => return Err(Answer::new(400, error.to_string())),
            }
            if !self.client.read.is_empty() {
                patience = HEAD_TIMEOUT;
            }
            let mut source = Source {
                half: self.client.stream.split().0,
                read: &mut self.client.read,
                count: self.record.bytes_up(),
            };
            match tokio::time::timeout(patience, source.fill()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    async fn request(&mut self, head: RequestHead) -> After {
        let framing = match Framing::of_request(&head) {
            Ok(framing) => framing,
            Err(error) => return self.bad_request(&head, error.to_string()).await,
        };
        if forward::has_looped(&head, &self.core.dialer.pseudonym) {
            return self.fail(&head, framing, &DialError::Loop).await;
        }
        if head.is("CONNECT") {
            return self.connect(&head, framing).await;
        }
        let asked = match self.asked(&head) {
            Ok(asked) => asked,
            Err(error) => return self.bad_request(&head, error.to_string()).await,
        };
        let route = match self.client.asked {
            Asked::Proxy => self.router.route(&asked.destination),
            Asked::Origin(original) => {
                route_original(self.router, original, asked.destination.name()).await
            }
        };
        self.forward(head, framing, asked, route).await
    }

    async fn connect(&mut self, head: &RequestHead, framing: Framing) -> After {
        let to = match target::connect(head) {
            Ok(to) if self.client.asked == Asked::Proxy => to,
            Ok(_) => {
                return self
                    .bad_request(head, "CONNECT is for proxies".into())
                    .await;
            }
            Err(error) => return self.bad_request(head, error.to_string()).await,
        };
        // A body in a CONNECT means nothing: it would be the first bytes of the tunnel.
        if !matches!(framing, Framing::Empty | Framing::Length(0)) {
            return self.bad_request(head, "CONNECT has no body".into()).await;
        }
        let route = self.router.route(&to);
        self.record.routed(Some(to.to_string()), taken(&route));
        let dialed = match route {
            Route::Refused { reason } => Err(DialError::Refused { reason }),
            Route::Direct { .. } => {
                let client = self.client.address.ip();
                let stream = dial_direct(&to, |ip| inward::permitted(client, ip)).await;
                stream.map(|stream| (stream, BytesMut::new()))
            }
            Route::Upstreams { upstreams, reason } => {
                let agent = head.fields.first("user-agent");
                let tunnel = self.core.dialer.tunnel(&upstreams, &to, agent).await;
                tunnel.map(|tunnel| {
                    let upstream = tunnel.upstream;
                    self.record
                        .routed(None, RouteTaken::Upstream { upstream, reason });
                    (tunnel.stream, tunnel.early)
                })
            }
        };
        match dialed {
            Ok((stream, early)) => {
                let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
                match self.client.stream.write_all(answer).await {
                    Ok(()) => After::Tunnel { stream, early },
                    Err(_) => After::Reset,
                }
            }
            Err(error) => {
                self.record.failed(error.problem());
                self.refuse_with(&Answer::from(&error), false, true).await;
                After::Linger
            }
        }
    }

    async fn forward(
        &mut self,
        head: RequestHead,
        framing: Framing,
        asked: AskedFor,
        route: Route,
    ) -> After {
        self.record
            .routed(Some(asked.destination.to_string()), taken(&route));
        if head.method.eq_ignore_ascii_case(b"TRACE") && speaks_credentials(&route) {
            return self.no_trace().await;
        }
        let stale = !Arc::ptr_eq(self.router, &self.core.router());
        let to = forward::Client {
            is_1_0: head.is_1_0,
            closes: stale || forward::request_closes(&head),
        };
        let repeatable = framing == Framing::Empty && is_idempotent(&head.method);
        let mut reuse = true;
        loop {
            let (mut hop, permit) = match self.hop(&route, &asked, repeatable, reuse).await {
                Ok(hop) => hop,
                Err(error) => return self.fail(&head, framing, &error).await,
            };
            let through = match (&hop.leads_to, &route) {
                (LeadsTo::Upstream(upstream), Route::Upstreams { reason, .. }) => {
                    let (upstream, reason) = (upstream.clone(), reason.clone());
                    self.record
                        .routed(None, RouteTaken::Upstream { upstream, reason });
                    true
                }
                _ => false,
            };
            let pseudonym = &self.core.dialer.pseudonym;
            let authorization = match &permit {
                Permit::Attempt(attempt) => Some(attempt.header()),
                Permit::NoneNeeded => None,
            };
            let outgoing = Outgoing {
                head: forward::request(
                    head.clone(),
                    asked.target(through),
                    &asked.destination,
                    pseudonym,
                    authorization,
                ),
                method: &head.method,
                framing,
                asks_for_upgrade: forward::asks_for_upgrade(&head),
                destination: asked.destination.to_string(),
                permit,
            };
            let outcome = exchange(
                &mut self.client,
                &mut hop,
                outgoing,
                &to,
                pseudonym,
                self.record,
            )
            .await;
            if let (Outcome::Done { .. } | Outcome::Switched, LeadsTo::Upstream(upstream)) =
                (&outcome, &hop.leads_to)
            {
                self.core.dialer.health.succeeded(&upstream.authority());
            }
            return match outcome {
                Outcome::Failed {
                    maybe_stale: true, ..
                } if repeatable && hop.idle_since.is_some() => {
                    reuse = false;
                    continue;
                }
                Outcome::Failed { error, .. } => {
                    if let LeadsTo::Upstream(upstream) = &hop.leads_to {
                        self.core.dialer.failed(upstream, &error);
                    }
                    self.fail(&head, framing, &error).await
                }
                Outcome::BadBody(error) => self.bad_request(&head, error.to_string()).await,
                Outcome::Broken => After::Reset,
                Outcome::Switched => After::Tunnel {
                    stream: hop.stream,
                    early: hop.read,
                },
                Outcome::Done {
                    hop_lives,
                    client_lives,
                } => {
                    if hop_lives {
                        hop.idle_since = Some(Instant::now());
                        hop.read = BytesMut::new();
                        self.hop = Some(hop);
                    }
                    if client_lives {
                        After::Next
                    } else {
                        After::Linger
                    }
                }
            };
        }
    }

    /// No route could be had: says why, and goes on where the request had no body.
    async fn fail(&mut self, head: &RequestHead, framing: Framing, error: &DialError) -> After {
        self.record.failed(error.problem());
        let close = framing != Framing::Empty || forward::request_closes(head);
        let answered = self
            .refuse_with(&Answer::from(error), head.is("HEAD"), close)
            .await;
        if answered && !close {
            After::Next
        } else {
            After::Linger
        }
    }

    async fn bad_request(&mut self, head: &RequestHead, message: String) -> After {
        self.count_refusal(&message);
        self.refuse_with(&Answer::new(400, message), head.is("HEAD"), true)
            .await;
        After::Linger
    }

    async fn no_trace(&mut self) -> After {
        let message = "TRACE does not go through a proxy that wants a password";
        self.count_refusal(message);
        self.refuse_with(&Answer::new(405, message), false, true)
            .await;
        After::Linger
    }

    /// Answers what was no request, and closes.
    async fn refuse(mut self, answer: Answer, to_head: bool) {
        self.count_refusal(&answer.message);
        self.refuse_with(&answer, to_head, true).await;
        linger(self.client.stream).await;
    }

    fn count_refusal(&self, message: &str) {
        tracing::debug!(client = %self.client.address, message, "bad request");
        self.record.refused(Problem {
            code: "bad_request".into(),
            message: message.to_owned(),
        });
    }

    async fn refuse_with(&mut self, answer: &Answer, to_head: bool, close: bool) -> bool {
        let text = answer.write(to_head, close);
        self.client.stream.write_all(&text).await.is_ok()
    }
}

/// The route as the connection table shows it, before one of several upstreams is chosen.
pub(crate) fn taken(route: &Route) -> RouteTaken {
    match route {
        Route::Direct { reason } => RouteTaken::Direct {
            reason: reason.clone(),
        },
        Route::Upstreams { upstreams, reason } => RouteTaken::Upstream {
            upstream: upstreams[0].clone(),
            reason: reason.clone(),
        },
        Route::Refused { reason } => RouteTaken::Refused {
            reason: reason.clone(),
        },
    }
}

/// Whether credentials of ours would stand in the request. An upstream that is itself the last to
/// receive a TRACE (`Max-Forwards: 0`) shows the client what it got (RFC 9110, section 9.3.8).
fn speaks_credentials(route: &Route) -> bool {
    match route {
        Route::Upstreams { upstreams, .. } => upstreams.iter().any(|u| u.user().is_some()),
        Route::Direct { .. } | Route::Refused { .. } => false,
    }
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
    )
}
