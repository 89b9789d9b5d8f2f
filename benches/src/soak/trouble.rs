//! What happens to an engine in a month, in minutes.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use proxy_engine::config::Policy;
use rustix::process::Signal;
use testbed::wait_for;

use super::Tally;
use super::office::{Office, RELAY, signal};
use crate::error::{BenchError, Result};

/// How long the upstream is down, and the engine stopped.
const DOWN: Duration = Duration::from_millis(700);
const STOPPED: Duration = Duration::from_millis(1500);
/// After either, a new connection gets through within this time, beside all of the load. (On a
/// machine that is not full it is 5 s: the engine's own tests promise that.)
const RECOVERED: Duration = Duration::from_secs(20);
/// A successor serves by then.
const FOLLOWED: Duration = Duration::from_secs(30);
/// Policies in one go.
const SWAPS: usize = 20;
/// Signals in one go, that an engine takes without a word.
const STORM: usize = 50;
const HARMLESS: [Signal; 4] = [Signal::CHILD, Signal::PIPE, Signal::WINCH, Signal::URG];
/// Signals in one go that each ask for a successor.
const CROWD: usize = 3;

/// One trouble after the other.
pub(super) struct Troubles<'a> {
    office: &'a Office,
    tally: &'a Tally,
    next: usize,
}

impl<'a> Troubles<'a> {
    pub(super) fn new(office: &'a Office, tally: &'a Tally) -> Self {
        Self {
            office,
            tally,
            next: 0,
        }
    }

    /// The next one; engines follow each other only where they `may_follow`.
    pub(super) fn next(&mut self, may_follow: bool) -> Result<()> {
        let turn = self.next;
        self.next += 1;
        match turn % 6 {
            0 | 3 => self.policies(),
            1 if may_follow => self.successor(1),
            4 if may_follow => self.successor(CROWD),
            1 | 4 => self.storm(),
            2 => self.pause(),
            _ => self.upstream(),
        }
    }

    /// Another bypass list, other ports, a listener more: all rules are set anew each time.
    fn policies(&self) -> Result<()> {
        let asked = self.office.policy()?;
        for turn in 0..SWAPS {
            let mut policy = Policy {
                cause: format!("soak {turn}"),
                ..asked.clone()
            };
            if turn % 2 == 0 {
                let bypass = format!(".internal{turn}.test,192.0.2.0/24");
                policy.bypass = bypass.parse().map_err(unexpected)?;
                policy.intercept.ports = "80,443,8443".parse().map_err(unexpected)?;
                policy.listen = vec![(RELAY.ip(), RELAY.port() + 7).into()];
            }
            self.office.put(&policy)?;
            self.tally.swaps.fetch_add(1, Relaxed);
        }
        self.office.put(&asked)
    }

    /// The engine is told, `times` at once, to start the one that follows it.
    fn successor(&self, times: usize) -> Result<()> {
        let before = self.office.pid()?;
        for _ in 0..times {
            signal(before, Signal::USR2)?;
        }
        let follows = || self.office.pid().ok().filter(|pid| *pid != before);
        wait_for("another engine serves", FOLLOWED, follows)?;
        self.tally.take_overs.fetch_add(1, Relaxed);
        // The others of a crowd follow that one, or give up.
        self.office.is_intercepting(FOLLOWED)
    }

    /// As a laptop that is closed and opened.
    fn pause(&self) -> Result<()> {
        let engine = self.office.pid()?;
        signal(engine, Signal::STOP)?;
        thread::sleep(STOPPED);
        signal(engine, Signal::CONT)?;
        self.tally.pauses.fetch_add(1, Relaxed);
        self.office.gets_through(RECOVERED)
    }

    fn upstream(&self) -> Result<()> {
        self.tally.upstream_changes();
        self.office.stop_upstream();
        thread::sleep(DOWN);
        self.office.start_upstream()?;
        self.tally.upstream_changes();
        self.office.gets_through(RECOVERED)
    }

    fn storm(&self) -> Result<()> {
        let engine = self.office.pid()?;
        for turn in 0..STORM {
            signal(engine, HARMLESS[turn % HARMLESS.len()])?;
            self.tally.signals.fetch_add(1, Relaxed);
        }
        Ok(())
    }
}

fn unexpected(error: impl std::fmt::Display) -> BenchError {
    BenchError::Unexpected(error.to_string())
}
