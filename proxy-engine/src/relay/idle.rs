//! Tunnels on which nothing moves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How long a tunnel, or the request and the response of one exchange, may be silent in both
/// directions before it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleLimit(pub Duration);

impl Default for IdleLimit {
    /// 7,440 s: more than two hours, so that `kubectl logs -f` on a quiet pod lives (RFC 5382,
    /// REQ-5).
    fn default() -> Self {
        Self(Duration::from_mins(124))
    }
}

/// How often a tunnel that holds a pipe or bytes is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The first look, when a connection that was not for a moment is given what a long one needs.
const FIRST: Duration = Duration::from_secs(30);
/// A silent tunnel is looked at so many times before its limit: no clock is asked for each byte.
const LOOKS: u32 = 8;

/// Looks at a tunnel from time to time.
#[derive(Debug)]
pub(super) struct Watch {
    limit: Duration,
    next: Pin<Box<Sleep>>,
    /// Whether the next look is at most [`LOOK`] away.
    soon: bool,
    /// Whether somebody has asked at a look whether it is the first.
    asked: bool,
    /// Bytes in total at the last look.
    seen: u64,
    /// The first look that saw them.
    since: Instant,
}

/// What a look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Bytes moved since the last one.
    Moving,
    /// None did.
    Silent,
}

impl Watch {
    pub(super) fn new(limit: IdleLimit) -> Self {
        let IdleLimit(limit) = limit;
        let now = Instant::now();
        Self {
            limit,
            next: Box::pin(tokio::time::sleep_until(now + FIRST.min(limit / LOOKS))),
            soon: false,
            asked: false,
            seen: 0,
            since: now,
        }
    }

    /// Ready at each look; `soon` asks for one within a second. A tunnel is closed between its
    /// limit and an eighth more after its last byte.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] at the limit.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        total: u64,
        soon: bool,
    ) -> Poll<io::Result<Look>> {
        if soon && !self.soon {
            self.after(true, Instant::now());
        }
        ready!(self.next.as_mut().poll(cx));
        let now = Instant::now();
        let look = if total == self.seen {
            Look::Silent
        } else {
            Look::Moving
        };
        if look == Look::Moving {
            (self.seen, self.since) = (total, now);
        } else if now - self.since >= self.limit {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.after(false, now);
        Poll::Ready(Ok(look))
    }

    /// Whether the look that is going on is the first, asked at each.
    pub(super) fn looks_first(&mut self) -> bool {
        !std::mem::replace(&mut self.asked, true)
    }

    fn after(&mut self, soon: bool, now: Instant) {
        let seldom = self.limit / LOOKS;
        self.soon = soon;
        let after = if soon { LOOK.min(seldom) } else { seldom };
        self.next.as_mut().reset(now + after);
    }
}
