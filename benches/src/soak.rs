//! `make soak`: the engine as it is installed (a broker as root, the engine as nobody), for minutes
//! under load and trouble; then what it leaves behind is counted.

mod office;
mod residue;
mod silent;
mod streams;
mod tally;
mod trouble;

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::error::{BenchError, Result};
use office::Office;
use tally::Tally;

/// A line about how it goes comes this often.
const PROGRESS: Duration = Duration::from_secs(10);
/// Whoever cannot move the bytes in so many times the time is stuck.
const LATE: u32 = 6;

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// At least this long.
    pub(crate) time: Duration,
    /// At least so many bytes, both directions together.
    pub(crate) bytes: u64,
    /// Streams at once.
    pub(crate) streams: usize,
    /// Bytes of a stream in each direction.
    pub(crate) each: u64,
    /// Clients at once that say nothing, or half of something.
    pub(crate) silent: usize,
    /// New silent clients a second, until all are there.
    pub(crate) rate: u32,
    /// One trouble after the other, so far apart.
    pub(crate) beat: Duration,
}

impl Extent {
    /// What `make soak` does, for so many minutes.
    pub(crate) fn minutes(minutes: u32) -> Self {
        Self {
            time: Duration::from_secs(60 * u64::from(minutes)),
            bytes: 10 << 30,
            streams: 64,
            each: 16 << 20,
            silent: 10_000,
            rate: 500,
            beat: Duration::from_secs(5),
        }
    }
}

/// Runs it all. Where it comes back well, nothing was wrong and nothing is left.
///
/// # Errors
/// What went wrong, all of it, in one message.
pub(crate) fn run(extent: &Extent) -> Result<Tally> {
    let tally = Tally::default();
    let office = Office::open()?;
    let rules = office.rules()?;
    let mut office = office.with_engine()?;
    let before = office.residue()?;
    eprintln!("at the start: {before}");
    let done = load(&office, extent, &tally);
    eprintln!("the load has ended: {tally}");
    let mut wrong = tally.wrongs();
    wrong.extend(done.err().map(|error| error.to_string()));
    wrong.extend(tally.missing(extent));
    match office.settle(&before, tally.most_silent()) {
        Ok(after) => eprintln!("at the end:   {after}"),
        Err(left) => wrong.push(left.to_string()),
    }
    wrong.extend(office.end(&rules).err().map(|error| error.to_string()));
    if wrong.is_empty() {
        return Ok(tally);
    }
    let words = office.words();
    Err(BenchError::Unexpected(format!(
        "{}\nthe engines' last words:\n{words}",
        wrong.join("\n")
    )))
}

/// Streams, silent clients and trouble beside each other, until there was enough of all.
fn load(office: &Office, extent: &Extent, tally: &Tally) -> Result<()> {
    let (end, ended) = watch::channel(false);
    let began = Instant::now();
    thread::scope(|scope| {
        let loads = [
            scope.spawn(|| office.in_the_pod(|| streams::run(extent, tally, &ended))),
            scope.spawn(|| office.in_the_pod(|| silent::run(extent, tally, &ended))),
        ];
        let progress = scope.spawn(|| {
            let mut told = Instant::now();
            while !*ended.borrow() {
                thread::sleep(Duration::from_millis(200));
                if told.elapsed() >= PROGRESS {
                    told = Instant::now();
                    let now = office.residue();
                    let now = now.map_or_else(|error| error.to_string(), |now| now.to_string());
                    eprintln!("{:>4} s: {tally}; {now}", began.elapsed().as_secs());
                }
            }
        });
        let mut troubles = trouble::Troubles::new(office, tally);
        let outcome = loop {
            let passed = began.elapsed();
            if passed >= extent.time && tally.bytes() >= extent.bytes {
                break Ok(());
            }
            if passed >= extent.time * LATE {
                let (moved, wanted) = (tally.bytes(), extent.bytes);
                break Err(BenchError::Unexpected(format!(
                    "{moved} of {wanted} bytes in {passed:?}"
                )));
            }
            // Engines follow each other in the first half; the last one bears the second alone.
            if let Err(error) = troubles.next(passed < extent.time / 2) {
                break Err(error);
            }
            thread::sleep(extent.beat);
        };
        end.send_replace(true);
        // A panic there is one here.
        for load in loads {
            load.join().expect("a load")?;
        }
        progress.join().expect("the progress");
        outcome
    })
}

/// A runtime on this thread: sockets are made in its network namespace.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))
}
