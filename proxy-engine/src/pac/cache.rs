//! Answers that need not be asked for again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A script may look at the clock, at names and at what it did before: nothing it said counts for
/// longer.
pub(super) const FRESH: Duration = Duration::from_mins(1);
/// What failed is tried again after so long; until then, it does not cost its time once for each
/// connection.
pub(super) const FAILED: Duration = Duration::from_secs(5);
/// So many answers are kept,
const MOST: usize = 10_000;
/// of URLs that have so many bytes together.
const MOST_BYTES: usize = 2 << 20;

/// Answers by what was shown.
#[derive(Debug)]
pub(super) struct Cache<T> {
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    answers: HashMap<Box<str>, (T, Instant)>,
    bytes: usize,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Kept {
                answers: HashMap::new(),
                bytes: 0,
            }),
        }
    }
}

impl<T: Clone> Cache<T> {
    /// The answer for this URL, where it still counts.
    pub(super) fn get(&self, url: &str) -> Option<T> {
        let kept = self.lock();
        let (answer, until) = kept.answers.get(url)?;
        (Instant::now() < *until).then(|| answer.clone())
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        let mut kept = self.lock();
        kept.answers.clear();
        kept.bytes = 0;
    }

    /// Keeps an answer.
    pub(super) fn put(&self, url: &str, answer: T, fresh: Duration) {
        let mut kept = self.lock();
        if kept.answers.len() >= MOST || kept.bytes + url.len() > MOST_BYTES {
            kept.shrink();
        }
        let until = Instant::now() + fresh;
        if kept.answers.insert(url.into(), (answer, until)).is_none() {
            kept.bytes += url.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        // A map of finished values is whole even after a panic elsewhere.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    /// Forgets what is old; where that does not make room, everything. The script is quick.
    fn shrink(&mut self) {
        let now = Instant::now();
        self.answers.retain(|_, (_, until)| now < *until);
        self.bytes = self.answers.keys().map(|url| url.len()).sum();
        if self.answers.len() > MOST / 2 || self.bytes > MOST_BYTES / 2 {
            self.answers.clear();
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cache, FRESH, MOST, MOST_BYTES};

    #[test]
    fn an_answer_counts_until_it_is_old() {
        let cache = Cache::default();
        cache.put("a", 1, FRESH);
        cache.put("b", 2, Duration::ZERO);
        assert_eq!(cache.get("a"), Some(1));
        assert_eq!(cache.get("b"), None);
        assert_eq!(cache.get("c"), None);
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let cache = Cache::default();
        for n in 0..3 * MOST {
            cache.put(&n.to_string(), n, FRESH);
        }
        assert!(cache.lock().answers.len() <= MOST);
        let long = "x".repeat(4000);
        for n in 0..2000 {
            cache.put(&format!("{long}{n}"), n, FRESH);
            let kept = cache.lock();
            let bytes: usize = kept.answers.keys().map(|url| url.len()).sum();
            assert_eq!(bytes, kept.bytes);
            assert!(bytes <= MOST_BYTES);
        }
    }
}
