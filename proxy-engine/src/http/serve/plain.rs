//! A request that is not CONNECT: to its next hop, and the response back.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;

use super::asked::AskedFor;
use super::{After, Connection, last};
use crate::config::{Policy, Way};
use crate::dial::DialError;
use crate::dial::auth::Login;
use crate::http::exchange::{Hop, LeadsTo, Manner, Outcome, Outgoing, exchange};
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
        if head.method.eq_ignore_ascii_case(b"TRACE")
            && speaks_credentials(self.router.policy(), &route)
        {
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
        let has_body = !matches!(framing, Framing::Empty | Framing::Length(0));
        // Whether a hop that an upstream has answered on is taken for open; once, if it was not.
        let mut trust = true;
        let began = Instant::now();
        let (mut hop, mut login) = match self.hop(&route, &asked, repeatable, true).await {
            Ok(hop) => hop,
            Err(error) => return self.fail(&head, framing, &error).await,
        };
        loop {
            let said = match self
                .prepare(&mut hop, login.as_mut(), &head, has_body, &asked)
                .await
            {
                Ok(said) => said,
                Err(error) => return self.hop_fails(&hop, &head, framing, &error, began).await,
            };
            self.record.dialled(hop.stream.tcp());
            if let Route::Upstreams { reason, .. } = &route {
                self.record
                    .through(hop.leads_to.way(), reason.clone(), None);
            }
            let through = matches!(hop.leads_to, LeadsTo::Upstream(_));
            let outgoing = Outgoing {
                head: forward::request(
                    head.clone(),
                    asked.target(through),
                    &asked.destination,
                    pseudonym,
                    said.as_ref(),
                ),
                method: &head.method,
                framing,
                listed: Listed::by(&head.fields),
                expects_continue: forward::expects_continue(&head),
                asks_for_upgrade: forward::asks_for_upgrade(&head),
                destination: asked.destination.to_string(),
            };
            let client = &mut self.client;
            let who = login.as_mut();
            let outcome = exchange(client, &mut hop, outgoing, who, &manner, self.record).await;
            match outcome {
                Outcome::Again { hop_lives } if !has_body => {
                    if let Err(error) = self.continues(&mut hop, login.as_mut(), hop_lives).await {
                        return self.hop_fails(&hop, &head, framing, &error, began).await;
                    }
                    hop.asked_again = hop_lives;
                }
                Outcome::Failed {
                    maybe_stale: true, ..
                } if repeatable && trust && hop.asked_again => {
                    trust = false;
                    if let Err(error) = self.continues(&mut hop, login.as_mut(), false).await {
                        return self.hop_fails(&hop, &head, framing, &error, began).await;
                    }
                }
                Outcome::Failed {
                    maybe_stale: true, ..
                } if repeatable && hop.idle_since.is_some() => {
                    // What it tried ends here: the next log-in waits for the end of every other.
                    drop(login.take());
                    (hop, login) = match self.hop(&route, &asked, repeatable, false).await {
                        Ok(hop) => hop,
                        Err(error) => return self.fail(&head, framing, &error).await,
                    };
                }
                outcome => {
                    hop.bound = login.as_ref().and_then(Login::bound);
                    return self.ends(outcome, hop, &head, framing, began).await;
                }
            }
        }
    }

    /// What follows from an exchange that is over.
    async fn ends(
        &mut self,
        outcome: Outcome,
        mut hop: Hop,
        head: &RequestHead,
        framing: Framing,
        began: Instant,
    ) -> After {
        if let (Outcome::Done { .. } | Outcome::Switched, LeadsTo::Upstream(upstream)) =
            (&outcome, &hop.leads_to)
        {
            self.core.dialer.health.succeeded(&upstream.authority());
        }
        match outcome {
            Outcome::Failed { error, .. } => {
                self.hop_fails(&hop, head, framing, &error, began).await
            }
            Outcome::Again { .. } => {
                let error = hop.asks_again();
                self.hop_fails(&hop, head, framing, &error, began).await
            }
            Outcome::BadBody(answer) => self.turn_down(head, answer).await,
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
                    hop.asked_again = false;
                    hop.read = BytesMut::new();
                    self.hop = Some(hop);
                }
                if client_lives {
                    After::Next
                } else {
                    After::Linger
                }
            }
        }
    }

    async fn hop_fails(
        &mut self,
        hop: &Hop,
        head: &RequestHead,
        framing: Framing,
        error: &DialError,
        began: Instant,
    ) -> After {
        if let LeadsTo::Upstream(upstream) = &hop.leads_to {
            self.core.dialer.failed(upstream, error, began);
        }
        self.fail(head, framing, error).await
    }
}

/// Whether credentials of ours would stand in the request. An upstream that is itself the last to
/// receive a TRACE (`Max-Forwards: 0`) shows the client what it got (RFC 9110, section 9.3.8).
fn speaks_credentials(policy: &Policy, route: &Route) -> bool {
    match route {
        Route::Upstreams { ways, .. } => ways
            .iter()
            .filter_map(Way::upstream)
            .any(|upstream| policy.logs_in_to(upstream)),
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
