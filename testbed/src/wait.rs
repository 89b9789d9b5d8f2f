//! Waiting for an event, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Result, TestbedError};

/// How long between two looks: short beside anything that a test measures.
const LOOK: Duration = Duration::from_millis(10);

/// Asks `condition` until it answers `Some`, and returns that answer.
///
/// # Errors
/// [`TestbedError::Late`] naming `what`, when `within` has passed.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = condition() {
            return Ok(answer);
        }
        if start.elapsed() >= within {
            return Err(TestbedError::Late {
                what: what.into(),
                seconds: within.as_secs_f32(),
            });
        }
        thread::sleep(LOOK);
    }
}
