//! The connection that a request leaves by.

use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::asked::AskedFor;
use super::{Asked, Connection};
use crate::accept::inward;
use crate::dial::auth::Permit;
use crate::dial::{DialError, dial_direct, doubt};
use crate::http::exchange::{Hop, LeadsTo};
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
    ) -> Result<(Hop, Permit), DialError> {
        let last = self.hop.take().and_then(|mut hop| {
            let fresh = hop.idle_since.is_some_and(|since| since.elapsed() < FRESH);
            if !fresh {
                // Where it breaks, the request is sent again by a new one.
                doubt(&hop.stream, true);
                hop.doubted = true;
            }
            (reuse && (repeatable || fresh) && is_quiet(&hop.stream)).then_some(hop)
        });
        let new = |stream, leads_to| Hop {
            stream,
            read: BytesMut::new(),
            leads_to,
            idle_since: None,
            doubted: false,
        };
        match route {
            Route::Refused { reason } => Err(DialError::Refused {
                reason: reason.clone(),
            }),
            Route::Direct { .. } => {
                let to = match self.client.asked {
                    Asked::Proxy => asked.destination.clone(),
                    Asked::Origin(original) => original.into(),
                };
                let leads_to = LeadsTo::Origin(to.clone());
                if let Some(hop) = last.filter(|hop| hop.leads_to == leads_to) {
                    return Ok((hop, Permit::NoneNeeded));
                }
                let client = &self.client.asker;
                let permitted = |ip| inward::permitted(client, self.router, &to, ip);
                let stream = dial_direct(&to, permitted).await?;
                Ok((new(stream, leads_to), Permit::NoneNeeded))
            }
            Route::Upstreams { upstreams, .. } => {
                if let Some(hop) = last
                    && let LeadsTo::Upstream(upstream) = &hop.leads_to
                    && upstreams.contains(upstream)
                {
                    let permit = self
                        .core
                        .dialer
                        .credentials
                        .permit(upstream, &self.client.asker)
                        .await?;
                    return Ok((hop, permit));
                }
                let opened = self.core.dialer.open(upstreams, &self.client.asker).await?;
                let hop = new(opened.stream, LeadsTo::Upstream(opened.upstream));
                Ok((hop, opened.permit))
            }
        }
    }
}

/// Whether an idle connection is still open and says nothing: anything it says now belongs to no
/// request.
fn is_quiet(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
