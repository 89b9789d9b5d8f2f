//! How far a request has got on its way out, as the wait for its response must know it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The client is the one that is waited for.
const WAITS: u64 = u64::MAX;

/// One request on its way to the next hop.
pub(super) struct Pace {
    start: Instant,
    /// Milliseconds after `start` at which the next hop was last given something, or said
    /// something; [`WAITS`].
    since: AtomicU64,
    /// A client that expects 100 waits for the next hop before it sends anything.
    expects: AtomicBool,
    is_sent: AtomicBool,
    sent: Notify,
}

impl Pace {
    pub(super) fn new(expects_continue: bool) -> Self {
        Self {
            start: Instant::now(),
            since: AtomicU64::new(0),
            expects: AtomicBool::new(expects_continue),
            is_sent: AtomicBool::new(false),
            sent: Notify::new(),
        }
    }

    /// There is nothing to send until the client sends some.
    pub(super) fn waits_for_the_client(&self) {
        if !self.expects.load(Relaxed) {
            self.since.store(WAITS, Relaxed);
        }
    }

    /// The client sent some.
    pub(super) fn goes_on(&self) {
        self.expects.store(false, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    /// The next hop said that it is at work; `invites` where it waits for the client's body now.
    pub(super) fn is_answered(&self, invites: bool) {
        if invites && self.expects.swap(false, Relaxed) {
            self.since.store(WAITS, Relaxed);
        } else if self.since.load(Relaxed) != WAITS {
            self.since.store(self.now(), Relaxed);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(WAITS - 1)
    }

    /// The whole request is sent.
    pub(super) fn ends(&self) {
        self.goes_on();
        self.is_sent.store(true, Relaxed);
        self.sent.notify_one();
    }

    /// Whether the whole request is sent.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Relaxed)
    }

    /// Ends once the whole request is sent; for one waiter.
    pub(super) async fn sent(&self) {
        self.sent.notified().await;
    }

    /// When a next hop has been silent for `patience`; while the client is waited for, that lies
    /// ahead.
    pub(super) fn due(&self, patience: Duration) -> Instant {
        match self.since.load(Relaxed) {
            WAITS => Instant::now() + patience,
            since => self.start + Duration::from_millis(since) + patience,
        }
    }
}
