//! New connections, as many as go: 64 clients, each opening the next when the last has ended.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Client;
use crate::error::{BenchError, Result};
use crate::hello::Command;

/// How many connections are under way at any time.
const CLIENTS: usize = 64;

/// What was done in a stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// How often.
    pub(crate) times: u64,
    /// In how many seconds.
    pub(crate) seconds: f64,
}

impl Done {
    /// How often a second.
    pub(crate) fn rate(self) -> f64 {
        self.count() / self.seconds
    }

    /// How often, to reckon with.
    pub(crate) fn count(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let times = self.times as f64;
        times
    }
}

/// Opens connections for `time`; the origin closes each after its answer, so that its ports, of
/// which each client's address has its own, are those that wait (TIME_WAIT), and none run out.
pub(crate) async fn run(client: Client, time: Duration) -> Result<Done> {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(repeat(
            CLIENTS,
            time,
            Rc::new(client),
            |client| async move { client.exchange(Command::Close).await },
        ))
        .await
}

/// Lets `clients` of them do `work` again and again for `time`. Any failure is an error.
pub(super) async fn repeat<S, F>(
    clients: usize,
    time: Duration,
    shared: Rc<S>,
    work: impl Fn(Rc<S>) -> F + Clone + 'static,
) -> Result<Done>
where
    S: 'static,
    F: Future<Output = std::io::Result<()>>,
{
    let times = Rc::new(Cell::new(0_u64));
    let failures = Rc::new(RefCell::new(Vec::new()));
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (work, shared) = (work.clone(), shared.clone());
            let (times, failures) = (times.clone(), failures.clone());
            tokio::task::spawn_local(async move {
                while began.elapsed() < time {
                    match work(shared.clone()).await {
                        Ok(()) => times.set(times.get() + 1),
                        Err(error) => failures.borrow_mut().push(error.to_string()),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await
            .map_err(|panic| BenchError::Unexpected(panic.to_string()))?;
    }
    let done = Done {
        times: times.get(),
        seconds: began.elapsed().as_secs_f64(),
    };
    let failures = failures.borrow();
    match failures.first() {
        None => Ok(done),
        Some(first) => Err(BenchError::Failures {
            failed: failures.len() as u64,
            tried: done.times + failures.len() as u64,
            first: first.clone(),
        }),
    }
}
