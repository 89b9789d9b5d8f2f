//! A flood of clients is no flood of log lines: what anybody may cause again and again must not
//! fill a disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines of one kind that are written at once.
const BURST: u32 = 50;
/// After these, one more in so long: some 10 MB a day, from each of a dozen places in the code.
const EACH: Duration = Duration::from_secs(2);
/// What is written about the others is no flood itself: a line behind each that is written.
const TARGET: &str = "proxy_engine::left_out";

/// Lets so many lines of one kind through, and says how many it left out. A kind is a place in the
/// code. What is finer than `info` was asked for, and all of it is written.
#[derive(Debug, Default)]
pub struct FloodGate {
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

#[derive(Debug)]
struct Kind {
    left: u32,
    /// Since when it is reckoned that there are so many left.
    since: Instant,
    left_out: u64,
}

impl Kind {
    fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            since: now,
            left_out: 0,
        }
    }

    /// Whether one more is written.
    fn one_more(&mut self, now: Instant) -> bool {
        let earned = (now - self.since).as_secs() / EACH.as_secs();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(BURST).min(BURST);
            self.left = (self.left + earned).min(BURST);
            self.since = now;
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        self.left_out += u64::from(left.is_none());
        left.is_some()
    }
}

impl FloodGate {
    /// Of this line's kind, where it may be one of too many.
    fn with_kind<T>(
        &self,
        line: &Metadata<'_>,
        now: Instant,
        ask: impl FnOnce(&mut Kind) -> T,
    ) -> Option<T> {
        if *line.level() > Level::INFO || line.target() == TARGET {
            return None;
        }
        // Whole between two statements.
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(line.callsite());
        Some(ask(kind.or_insert_with(|| Kind::new(now))))
    }
}

impl<S: Subscriber> Layer<S> for FloodGate {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let now = Instant::now();
        let one_more = self.with_kind(event.metadata(), now, |kind| kind.one_more(now));
        one_more.unwrap_or(true)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = event.metadata();
        let told = |kind: &mut Kind| std::mem::take(&mut kind.left_out);
        match self.with_kind(line, Instant::now(), told) {
            None | Some(0) => {}
            Some(lines) => tracing::warn!(
                target: TARGET,
                lines,
                of = line.target(),
                "as many more lines like the last one were left out"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BURST, EACH, Kind};

    #[test]
    fn after_a_burst_a_line_passes_now_and_then_and_rest_restores_the_burst() {
        let mut now = Instant::now();
        let mut kind = Kind::new(now);
        let passed = |kind: &mut Kind, now| (0..1000).filter(|_| kind.one_more(now)).count();
        assert_eq!(passed(&mut kind, now), BURST as usize);
        assert_eq!(kind.left_out, u64::from(1000 - BURST));
        now += EACH;
        assert_eq!(passed(&mut kind, now), 1);
        now += Duration::from_hours(1);
        assert_eq!(passed(&mut kind, now), BURST as usize);
        now += EACH;
        assert_eq!(passed(&mut kind, now), 1);
    }
}
