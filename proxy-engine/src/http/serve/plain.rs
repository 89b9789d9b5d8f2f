//! A request that is not CONNECT: to its next hop, and the response back.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;

use super::asked::AskedFor;
use super::{After, Connection, last};
use crate::config::Way;
use crate::dial::auth::Permit;
use crate::http::exchange::{LeadsTo, Manner, Outcome, Outgoing, exchange};
use crate::http::fields::Listed;
use crate::http::{Answer, Framing, RequestHead, forward};
use crate::route::Route;

impl Connection<'_> {
    /// Forwards the request, or answers it here.
    pub(super) async fn plain(
        &mut self,
        mut head: RequestHead,
        framing: Framing,
        asked: AskedFor,
        route: Route,
    ) -> After {
        self.record
            .routed(Some(asked.destination.to_string()), (&route).into());
        if head.method.eq_ignore_ascii_case(b"TRACE") && speaks_credentials(&route) {
            let message = "TRACE does not go through a proxy that wants a password";
            return self.turn_down(&head, Answer::new(405, message)).await;
        }
        match last::forwardings_left(&mut head) {
            Ok(true) => {}
            Ok(false) => return self.answer_as_last(head, framing).await,
            Err(message) => return self.bad_request(&head, message.into()).await,
        }
        self.forward(head, framing, asked, route).await
    }

    async fn forward(
        &mut self,
        head: RequestHead,
        framing: Framing,
        asked: AskedFor,
        route: Route,
    ) -> After {
        let stale =
            !Arc::ptr_eq(self.router, &self.core.router()) || self.core.draining.is_cancelled();
        let pseudonym = &self.core.dialer.pseudonym;
        let manner = Manner {
            to: forward::Client {
                is_1_0: head.is_1_0,
                closes: stale || forward::request_closes(&head),
            },
            pseudonym,
            limits: self.core.limits,
            share: self.share(),
            idle: self.core.idle,
        };
        let repeatable = framing == Framing::Empty && is_idempotent(&head.method);
        let mut reuse = true;
        loop {
            let (mut hop, permit) = match self.hop(&route, &asked, repeatable, reuse).await {
                Ok(hop) => hop,
                Err(error) => return self.fail(&head, framing, &error).await,
            };
            self.record.dialled(&hop.stream);
            let through = matches!(hop.leads_to, LeadsTo::Upstream(_));
            if let Route::Upstreams { reason, .. } = &route {
                self.record
                    .through(hop.leads_to.way(), reason.clone(), None);
            }
            let authorization = match &permit {
                Permit::Attempt(attempt) => Some(attempt.header()),
                Permit::NoneNeeded | Permit::Withheld => None,
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
                listed: Listed::by(&head.fields),
                expects_continue: forward::expects_continue(&head),
                asks_for_upgrade: forward::asks_for_upgrade(&head),
                destination: asked.destination.to_string(),
                permit,
            };
            let outcome =
                exchange(&mut self.client, &mut hop, outgoing, &manner, self.record).await;
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
                Outcome::BadBody(answer) => self.turn_down(&head, answer).await,
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
}

/// Whether credentials of ours would stand in the request. An upstream that is itself the last to
/// receive a TRACE (`Max-Forwards: 0`) shows the client what it got (RFC 9110, section 9.3.8).
fn speaks_credentials(route: &Route) -> bool {
    match route {
        Route::Upstreams { ways, .. } => ways
            .iter()
            .filter_map(Way::upstream)
            .any(|upstream| upstream.user().is_some()),
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
