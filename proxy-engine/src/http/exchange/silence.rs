//! Exchanges in which nothing moves.

use std::sync::atomic::Ordering::Relaxed;

use crate::observe::Record;
use crate::relay::IdleLimit;

/// The bytes are counted so many times before the limit: no clock is asked for each of them.
const LOOKS: u32 = 8;

/// Ends between the limit and an eighth more after the last byte that came from either side.
pub(super) async fn silence(record: &Record, limit: IdleLimit) {
    let total = || {
        let (up, down) = (record.bytes_up(), record.bytes_down());
        up.load(Relaxed).wrapping_add(down.load(Relaxed))
    };
    let mut seen = total();
    let mut silent = 0;
    while silent < LOOKS {
        tokio::time::sleep(limit.0 / LOOKS).await;
        let now = total();
        silent = if now == seen { silent + 1 } else { 0 };
        seen = now;
    }
}
