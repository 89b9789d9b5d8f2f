//! The connection that a request leaves by.

use std::time::Duration;

use bytes::BytesMut;

use super::asked::AskedFor;
use super::{Asked, Connection};
use crate::config::Way;
use crate::dial::auth::Login;
use crate::dial::{DialError, Journey, doubt, keep_alive};
use crate::http::exchange::{Hop, LeadsTo};
use crate::relay::Stream;
use crate::route::Route;

/// A hop that was idle for longer is not trusted with a request that must not be sent twice.
const FRESH: Duration = Duration::from_secs(1);

impl Connection<'_> {
    /// A connection towards the destination: the last one, where it leads there and still lives,
    /// else a new one.
    pub(super) async fn hop(
        &mut self,
        route: &Route,
        asked: &AskedFor,
        repeatable: bool,
        reuse: bool,
    ) -> Result<(Hop, Option<Login>), DialError> {
        let last = self.hop.take().and_then(|mut hop| {
            let fresh = hop.idle_since.is_some_and(|since| since.elapsed() < FRESH);
            if !fresh {
                // Where it breaks, the request is sent again by a new one.
                doubt(hop.stream.tcp(), true);
                hop.doubted = true;
            }
            // What it says now belongs to no request.
            (reuse && (repeatable || fresh) && hop.stream.is_quiet()).then_some(hop)
        });
        let new = |stream: Stream, read, leads_to| {
            keep_alive(stream.tcp());
            Hop {
                stream,
                read,
                leads_to,
                idle_since: None,
                doubted: false,
                asked_again: false,
                bound: None,
            }
        };
        let itself = match self.client.asked {
            Asked::Proxy => asked.destination.clone(),
            Asked::Origin(original) => original.into(),
        };
        let journey = Journey {
            to: &asked.destination,
            itself: &itself,
            asker: &self.client.asker,
            router: self.router,
        };
        match route {
            Route::Refused { reason } => Err(DialError::Refused {
                reason: reason.clone(),
            }),
            Route::Direct { .. } => {
                if let Some(hop) = last.filter(|hop| hop.serves(&journey, &[Way::Direct])) {
                    return Ok((hop, None));
                }
                let stream = journey.direct().await?.into();
                let leads_to = LeadsTo::by(&Way::Direct, &journey);
                Ok((new(stream, BytesMut::new(), leads_to), None))
            }
            Route::Upstreams { ways, .. } => {
                if let Some(hop) = last.filter(|hop| hop.serves(&journey, ways)) {
                    let LeadsTo::Upstream(upstream) = &hop.leads_to else {
                        return Ok((hop, None));
                    };
                    let credentials = &self.core.dialer.credentials;
                    let mut login = credentials.login(upstream, journey.asker).await?;
                    login.over(hop.bound.as_ref());
                    // What somebody else is logged in on is nobody's now.
                    if hop.bound.is_none() || login.bound().is_some() {
                        return Ok((hop, Some(login)));
                    }
                }
                let opened = self.core.dialer.open(ways, &journey).await?;
                let leads_to = LeadsTo::by(&opened.way, &journey);
                Ok((new(opened.stream, opened.early, leads_to), opened.login))
            }
        }
    }
}
