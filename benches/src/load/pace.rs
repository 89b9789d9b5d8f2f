//! New connections at a steady pace, for minutes: does anything run out?

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::Client;
use crate::error::Result;
use crate::hello::Command;
use crate::statistics::{median, percentile};

/// Both ends of each are open files of this process, which may have 20,000.
const MOST_UNDER_WAY: u64 = 8_000;

/// What became of them.
#[derive(Debug, Clone)]
pub(crate) struct Paced {
    /// How many were opened.
    pub(crate) tried: u64,
    /// How many a second were begun in truth.
    pub(crate) pace: f64,
    /// What the failures said, and how often.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Milliseconds to the answer: median, 99th percentile, longest.
    pub(crate) waits: [f64; 3],
}

/// Opens `rate` connections a second for `time`, whether or not earlier ones have ended. The
/// client closes first, as most do: towards the upstream it is then the relay whose port waits.
pub(crate) async fn run(client: Client, rate: u32, time: Duration) -> Result<Paced> {
    let client = Rc::new(client);
    let failures = Rc::new(RefCell::new(BTreeMap::new()));
    let waits = Rc::new(RefCell::new(Vec::new()));
    let under_way = Rc::new(Cell::new(0_u64));
    let done = Rc::new(tokio::sync::Notify::new());
    let began = Instant::now();
    let mut tried = 0_u64;
    tokio::task::LocalSet::new()
        .run_until(async {
            let mut beat = tokio::time::interval(Duration::from_millis(2));
            while began.elapsed() < time {
                beat.tick().await;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a small positive number"
                )]
                let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
                while tried < due {
                    tried += 1;
                    if under_way.get() == MOST_UNDER_WAY {
                        let why = format!("{MOST_UNDER_WAY} were under way already");
                        *failures.borrow_mut().entry(why).or_insert(0) += 1;
                        continue;
                    }
                    under_way.set(under_way.get() + 1);
                    let (client, failures) = (client.clone(), failures.clone());
                    let (waits, under_way, done) = (waits.clone(), under_way.clone(), done.clone());
                    tokio::task::spawn_local(async move {
                        let from = Instant::now();
                        match client.exchange(Command::Echo).await {
                            Ok(()) => waits.borrow_mut().push(from.elapsed().as_secs_f64() * 1e3),
                            Err(error) => {
                                *failures.borrow_mut().entry(error.to_string()).or_insert(0) += 1;
                            }
                        }
                        under_way.set(under_way.get() - 1);
                        done.notify_one();
                    });
                }
            }
            // Each gives up by itself, so that this ends.
            while under_way.get() > 0 {
                done.notified().await;
            }
        })
        .await;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let pace = tried as f64 / time.as_secs_f64();
    let waits = waits.borrow();
    Ok(Paced {
        tried,
        pace,
        failures: failures.take(),
        waits: [
            median(&waits),
            percentile(&waits, 99.0),
            percentile(&waits, 100.0),
        ],
    })
}
