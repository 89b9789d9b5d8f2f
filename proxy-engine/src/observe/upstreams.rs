//! How each upstream does, and from where it would call.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Changes;
use crate::control::Problem;

/// An upstream that could not be had is left alone for so long; each time more that it cannot be
/// had, for twice as long.
const COOL_DOWN: Duration = Duration::from_secs(5);
/// But no longer than this.
const LONGEST: Duration = Duration::from_mins(1);
/// So many upstreams are known at once: a script may name others all the time.
const MOST: usize = 1024;

/// What is known of each upstream, by its authority.
#[derive(Debug, Default)]
pub struct UpstreamHealth {
    known: Mutex<HashMap<String, Known>>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct Known {
    /// Why the last connection through it failed; none after a success.
    problem: Option<Problem>,
    /// Where it was reached last.
    address: Option<IpAddr>,
    /// How often it could not be had since it last could.
    failures: u32,
    /// When it last answered.
    answered: Option<Instant>,
    /// In cool-down, until somebody has reached it; not before this.
    down: Option<Instant>,
    /// Whether somebody looks for it.
    sought: bool,
    /// Which ports it connected to.
    connects: Connects,
}

/// Which ports an upstream has connected to: some are set up for 443 alone.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Connects {
    to_443: bool,
    to_others: bool,
}

impl UpstreamHealth {
    /// An empty record that rings `changes`.
    pub fn new(changes: Changes) -> Self {
        Self {
            known: Mutex::default(),
            changes,
        }
    }

    /// A connection through this upstream succeeded.
    pub fn succeeded(&self, authority: &str) {
        let changed = self.edit(authority, |known| {
            let was_down = known.answers();
            known.problem.take().is_some() || was_down
        });
        if changed {
            self.changes.ring();
        }
    }

    /// It answered, and the connection failed all the same.
    pub fn failed(&self, authority: &str, problem: Problem) {
        let changed = self.edit(authority, |known| {
            let was_down = known.answers();
            known.fails(problem) || was_down
        });
        if changed {
            self.changes.ring();
        }
    }

    /// Somebody has acted on what this upstream asked for: what it said of credentials before is
    /// answered.
    pub fn credentials_anew(&self, authority: &str) {
        let answered = self.edit(authority, |known| {
            let asks = |problem: &mut Problem| problem.code.starts_with("credentials_");
            known.problem.take_if(asks).is_some()
        });
        if answered {
            self.changes.ring();
        }
    }

    /// A connection that was begun then did not come to an answer: unless another one did meanwhile,
    /// the upstream is left alone for a while. True where somebody must look for it from then on
    /// ([`UpstreamHealth::due`]).
    #[must_use]
    pub fn lost(&self, authority: &str, problem: Problem, began: Instant) -> bool {
        let (changed, to_be_sought) = self.edit(authority, |known| {
            let changed = known.fails(problem);
            if known.answered.is_some_and(|answered| answered > began) {
                return (changed, false);
            }
            known.cool_down(Instant::now());
            (changed, !std::mem::replace(&mut known.sought, true))
        });
        if changed {
            self.changes.ring();
        }
        to_be_sought
    }

    /// When an upstream that is sought may be asked; `None`: it is sought no more.
    pub fn due(&self, authority: &str) -> Option<Instant> {
        let mut all = self.lock();
        let known = all.get_mut(authority)?;
        if known.down.is_none() {
            known.sought = false;
        }
        known.down
    }

    /// Somebody looked for it: it can be connected to again, or still not, and why.
    pub fn found(&self, authority: &str, found: Result<(), Problem>) {
        let mut all = self.lock();
        // It may be forgotten meanwhile.
        let Some(known) = all.get_mut(authority) else {
            return;
        };
        let changed = if let Err(problem) = found {
            known.cool_down(Instant::now());
            known.fails(problem)
        } else {
            known.problem = None;
            known.down.take().is_some()
        };
        drop(all);
        if changed {
            self.changes.ring();
        }
    }

    /// Whether it is left alone at the moment.
    pub fn is_down(&self, authority: &str) -> bool {
        self.lock()
            .get(authority)
            .is_some_and(|known| known.down.is_some())
    }

    /// Why the last connection through it failed.
    pub fn last_error(&self, authority: &str) -> Option<Problem> {
        self.lock().get(authority)?.problem.clone()
    }

    /// It connected to this port.
    pub fn connected_to(&self, authority: &str, port: u16) {
        self.edit(authority, |known| match port {
            443 => known.connects.to_443 = true,
            _ => known.connects.to_others = true,
        });
    }

    /// Whether it has connected to port 443, and never to another one.
    pub fn connects_to_443_only(&self, authority: &str) -> bool {
        let only = Connects {
            to_443: true,
            to_others: false,
        };
        self.lock()
            .get(authority)
            .is_some_and(|known| known.connects == only)
    }

    /// Forgets every upstream that `keep` does not name.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|authority, _| keep(authority));
    }

    /// This upstream was reached at this address.
    pub fn reached(&self, authority: &str, at: IpAddr) {
        self.edit(authority, |known| known.address = Some(at));
    }

    /// It is not known any more where this upstream is reached.
    pub fn forget(&self, authority: &str) {
        if let Some(known) = self.lock().get_mut(authority) {
            known.address = None;
        }
    }

    /// Whether it is an upstream that calls from this address. Loopback is everybody's.
    pub fn is_one(&self, client: IpAddr) -> bool {
        !client.is_loopback()
            && self
                .lock()
                .values()
                .any(|known| known.address == Some(client))
    }

    /// Changes what is known of one.
    fn edit<T>(&self, authority: &str, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(authority) {
            return change(known);
        }
        if all.len() >= MOST {
            // Those that somebody looks for stay known to him.
            all.retain(|_, known| known.sought);
        }
        change(all.entry(authority.to_owned()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // A map of finished values is whole even after a panic elsewhere.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether that is news.
    fn fails(&mut self, problem: Problem) -> bool {
        let news = self.problem.as_ref() != Some(&problem);
        self.problem = Some(problem);
        news
    }

    /// Whether it was taken for down.
    fn answers(&mut self) -> bool {
        self.answered = Some(Instant::now());
        self.failures = 0;
        self.down.take().is_some()
    }

    fn cool_down(&mut self, now: Instant) {
        // Connections that were under way together are one failure.
        if self.down.is_some_and(|until| until > now) {
            return;
        }
        let times = 1 << self.failures.min(8);
        self.failures = self.failures.saturating_add(1);
        self.down = Some(now + (COOL_DOWN * times).min(LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Known, UpstreamHealth};
    use crate::control::Problem;

    const PROXY: &str = "proxy.test:3128";

    fn problem() -> Problem {
        Problem {
            code: "upstream_unreachable".into(),
            message: "gone".into(),
        }
    }

    fn lost(health: &UpstreamHealth) -> bool {
        health.lost(PROXY, problem(), Instant::now())
    }

    #[test]
    fn an_upstream_that_stays_away_is_left_alone_for_longer_each_time_up_to_a_minute() {
        let mut known = Known::default();
        let mut now = Instant::now();
        for seconds in [5, 10, 20, 40, 60, 60] {
            known.cool_down(now);
            let until = known.down.expect("down");
            assert_eq!(until - now, Duration::from_secs(seconds));
            // Connections that fail beside each other count once.
            known.cool_down(now + Duration::from_secs(1));
            assert_eq!(known.down, Some(until));
            now = until;
        }
        assert!(known.answers());
        known.cool_down(now);
        assert_eq!(known.down, Some(now + Duration::from_secs(5)));
    }

    #[test]
    fn one_looks_for_an_upstream_that_is_lost_until_it_is_found() {
        let health = UpstreamHealth::default();
        assert!(lost(&health), "nobody looks for it yet");
        assert!(!lost(&health), "one looks for it");
        assert!(health.due(PROXY).is_some());
        health.found(PROXY, Err(problem()));
        assert!(health.is_down(PROXY));
        health.found(PROXY, Ok(()));
        assert!(!health.is_down(PROXY));
        assert_eq!(health.last_error(PROXY), None);
        assert_eq!(health.due(PROXY), None, "it is sought no more");
        assert!(lost(&health), "nobody looks any more");
        // One that serves is not sought, either.
        health.succeeded(PROXY);
        assert_eq!(health.due(PROXY), None);
        assert!(lost(&health));
        // Nor one that the policy does not name any more.
        health.retain(|_| false);
        assert_eq!(health.due(PROXY), None);
    }

    #[test]
    fn one_that_answered_meanwhile_is_not_down() {
        let health = UpstreamHealth::default();
        let began = Instant::now();
        health.succeeded(PROXY);
        assert!(!health.lost(PROXY, problem(), began));
        assert!(!health.is_down(PROXY));
        assert_eq!(health.last_error(PROXY), Some(problem()));
        assert!(lost(&health));
        assert!(health.is_down(PROXY));
    }

    #[test]
    fn one_that_answers_is_not_down_whatever_it_answers() {
        let health = UpstreamHealth::default();
        assert!(lost(&health));
        health.failed(PROXY, problem());
        assert!(!health.is_down(PROXY));
        assert_eq!(health.last_error(PROXY), Some(problem()));
    }

    #[test]
    fn an_upstream_that_connected_to_another_port_is_not_one_for_443_alone() {
        let health = UpstreamHealth::default();
        assert!(!health.connects_to_443_only(PROXY));
        health.connected_to(PROXY, 443);
        assert!(health.connects_to_443_only(PROXY));
        health.connected_to(PROXY, 8443);
        assert!(!health.connects_to_443_only(PROXY));
    }
}
