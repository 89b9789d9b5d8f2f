//! One connection as a future: large while it is opened, small as a tunnel.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::relay::Tunnel;

/// A connection that is being served; ready when it has ended.
///
/// What opening it needs stands on the heap and goes when a tunnel comes of it: a tunnel may be
/// silent for hours, beside thousands of others.
#[must_use = "nobody is served unless it is polled"]
pub struct Served(Phase);

type Opening = Pin<Box<dyn Future<Output = Option<Tunnel>> + Send>>;

#[allow(
    clippy::large_enum_variant,
    reason = "a tunnel is what a connection is for most of its life"
)]
enum Phase {
    Opening(Opening),
    Tunnel(Tunnel),
}

impl Served {
    /// Serves by `opening`, and the tunnel that comes of it, if any.
    pub(super) fn new(opening: impl Future<Output = Option<Tunnel>> + Send + 'static) -> Self {
        Self(Phase::Opening(Box::pin(opening)))
    }
}

impl Future for Served {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Phase::Opening(opening) = &mut self.0 {
            match ready!(opening.as_mut().poll(cx)) {
                Some(tunnel) => self.0 = Phase::Tunnel(tunnel),
                None => return Poll::Ready(()),
            }
        }
        if let Phase::Tunnel(tunnel) = &mut self.0
            && let Err(error) = ready!(Pin::new(&mut *tunnel).poll(cx))
        {
            tracing::debug!(client = %tunnel.client(), %error, "tunnel ended");
        }
        Poll::Ready(())
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").finish_non_exhaustive()
    }
}
