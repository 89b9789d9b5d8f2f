//! A URL's ways by the script, in bounded time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout};

use super::cache::{Cache, FAILED, FRESH};
use super::names::Names;
use super::worker::{Ask, Outcome, Program, Worker, WorkerError};
use super::{BUDGET, NAMES, PacError, Script, Shown, ways};
use crate::config::{Upstream, Way};
use crate::observe::Changes;

/// A connection waits so long for its answer, others' turns included.
const PATIENCE: Duration = Duration::from_secs(2);
/// No script in use names more proxies; one that invents them would fill memory and metrics.
const PROXIES: usize = 64;
/// So many workers in a row may fail before there is a pause,
const FAILURES: u32 = 3;
/// which doubles from here to here.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a script said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// In order, at least one.
    pub ways: Arc<[Way]>,
    /// Its own words.
    pub words: Arc<str>,
}

/// A script that answers, with its worker and its answers.
#[derive(Debug)]
pub struct Pac {
    script: Arc<Script>,
    looks_at_paths: bool,
    program: Program,
    answers: Cache<Result<Found, PacError>>,
    turn: Arc<tokio::sync::Mutex<Turn>>,
    names: Names,
    /// Every proxy that it has named.
    upstreams: Mutex<Vec<Upstream>>,
    /// Why the last question was not answered; none after one that was.
    problem: Mutex<Option<PacError>>,
    changes: Changes,
}

/// Whoever has it asks; the others wait.
#[derive(Debug, Default)]
struct Turn {
    worker: Option<Worker>,
    /// Nobody has asked it yet.
    is_fresh: bool,
    /// How many workers in a row failed.
    failed: u32,
    /// Until then no other is started, and why.
    pause: Option<(Instant, PacError)>,
}

impl Pac {
    /// A script that nobody asked yet. Its worker comes with the first question, or before
    /// ([`Pac::warm`]).
    pub fn new(script: Script, program: Program, changes: Changes) -> Self {
        Self {
            looks_at_paths: script.looks_at_paths(),
            script: Arc::new(script),
            program,
            answers: Cache::default(),
            turn: Arc::default(),
            names: Names::default(),
            upstreams: Mutex::default(),
            problem: Mutex::new(None),
            changes,
        }
    }

    /// The script.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// Whether it may answer differently for two paths on one host.
    pub fn looks_at_paths(&self) -> bool {
        self.looks_at_paths
    }

    /// Why the last question was not answered; none after one that was.
    pub fn problem(&self) -> Option<PacError> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    /// The worker's process, where there is one just now.
    pub async fn process(&self) -> Option<u32> {
        self.turn.lock().await.worker.as_ref()?.process()
    }

    /// Every proxy that it has named.
    pub fn upstreams(&self) -> Vec<Upstream> {
        let upstreams = self.upstreams.lock();
        upstreams.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets every answer: the network is another, and so may be what they were made of.
    pub fn forget(&self) {
        self.answers.clear();
    }

    /// Starts the worker, so that the first connection does not wait for it and a script that is no
    /// program shows at once.
    pub async fn warm(&self) {
        let started = self.turn().await.map(drop);
        if started.is_err() {
            self.is(started.err());
        }
    }

    /// The ways of what is shown.
    ///
    /// # Errors
    /// See [`PacError`]; it comes within some seconds, whatever the script does.
    pub async fn find(&self, shown: &Shown) -> Result<Found, PacError> {
        if let Some(known) = self.answers.get(&shown.url) {
            return known;
        }
        let found = timeout(PATIENCE, self.evaluate(shown)).await;
        let found = found.unwrap_or(Err(PacError::Busy));
        self.is(found.as_ref().err().cloned());
        found
    }

    async fn evaluate(&self, shown: &Shown) -> Result<Found, PacError> {
        let mut ask = Ask {
            url: shown.url.clone(),
            host: shown.host.clone(),
            ..Ask::default()
        };
        let mut until = None;
        let mut is_whole = true;
        let mut wanted = 0;
        let mut again = true;
        loop {
            let outcome = {
                let mut turn = self.turn().await?;
                // Somebody else may have asked the same meanwhile.
                if let Some(known) = self.answers.get(&shown.url) {
                    return known;
                }
                // What the script takes counts from its turn on.
                until.get_or_insert_with(|| Instant::now() + BUDGET);
                let is_fresh = std::mem::take(&mut turn.is_fresh);
                let outcome = Self::ask(&mut turn, &ask).await;
                // One that has died meanwhile is replaced, once.
                if matches!(outcome, Err(PacError::NoWorker(_))) && again && !is_fresh {
                    again = false;
                    continue;
                }
                outcome
            };
            let until = until.unwrap_or_else(Instant::now);
            match outcome {
                Ok(Outcome::Answered { text, by_chance }) => {
                    let found = self.found(&text);
                    let fresh = if is_whole && found.is_ok() {
                        FRESH
                    } else {
                        FAILED
                    };
                    if !by_chance {
                        self.answers.put(&shown.url, found.clone(), fresh);
                    }
                    return found;
                }
                Ok(Outcome::Wants(wants)) => {
                    wanted += 1;
                    if wanted == NAMES {
                        return self.failed(shown, PacError::TooManyNames);
                    }
                    is_whole &= self.names.find(wants, &mut ask, until).await?;
                }
                Ok(Outcome::Failed(why)) => return self.failed(shown, PacError::Failed(why)),
                Ok(Outcome::Exhausted { time: true }) => {
                    return self.failed(shown, PacError::TooSlow);
                }
                Ok(Outcome::Exhausted { time: false }) => {
                    let why = "it needs more than 32 MiB of memory".to_owned();
                    return self.failed(shown, PacError::Failed(why));
                }
                Err(error @ PacError::TooSlow) => return self.failed(shown, error),
                Err(error) => return Err(error),
            }
        }
    }

    /// What it answered, without the proxies that are too many: each is known by its name from then
    /// on.
    fn found(&self, text: &str) -> Result<Found, PacError> {
        let mut ways = ways(text)?;
        let mut known = self
            .upstreams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ways.retain(|way| match way.upstream() {
            None => true,
            Some(upstream) if known.contains(upstream) => true,
            Some(_) if known.len() >= PROXIES => false,
            Some(upstream) => {
                known.push(upstream.clone());
                true
            }
        });
        if ways.is_empty() {
            return Err(PacError::TooManyProxies);
        }
        let line = text
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c });
        Ok(Found {
            ways: ways.into(),
            words: line.collect::<String>().into(),
        })
    }

    /// This URL is not asked about again at once.
    fn failed(&self, shown: &Shown, error: PacError) -> Result<Found, PacError> {
        self.answers.put(&shown.url, Err(error.clone()), FAILED);
        Err(error)
    }

    /// One question to the worker.
    async fn ask(turn: &mut Turn, ask: &Ask) -> Result<Outcome, PacError> {
        let worker = turn.worker.as_mut().ok_or_else(gone)?;
        let error = match timeout(BUDGET, worker.ask(ask)).await {
            Ok(Ok(outcome @ Outcome::Exhausted { .. })) => {
                let why = match outcome {
                    Outcome::Exhausted { time: true } => PacError::TooSlow,
                    _ => PacError::Failed("it needs too much memory".into()),
                };
                turn.lost(&why);
                return Ok(outcome);
            }
            Ok(Ok(outcome)) => {
                turn.failed = 0;
                return Ok(outcome);
            }
            Ok(Err(error)) => error.into(),
            Err(_) => PacError::TooSlow,
        };
        turn.lost(&error);
        Err(error)
    }

    /// Has the worker to itself, started where there is none.
    async fn turn(&self) -> Result<OwnedMutexGuard<Turn>, PacError> {
        let mut turn = Arc::clone(&self.turn).lock_owned().await;
        if turn.worker.is_some() {
            return Ok(turn);
        }
        if let Some((until, why)) = &turn.pause
            && Instant::now() < *until
        {
            return Err(why.clone());
        }
        let (program, script) = (self.program.clone(), Arc::clone(&self.script));
        let names = self.names.clone();
        // It goes on though nobody waits any more: the next finds it, or why there is none.
        let starting = tokio::spawn(async move {
            let started = Worker::start(&program, &script, &names).await;
            let started = turn.started(started);
            started.map(|()| turn)
        });
        starting.await.unwrap_or_else(|_| Err(gone()))
    }

    /// How the last question ended.
    fn is(&self, now: Option<PacError>) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if *problem != now {
            if let Some(error) = &now {
                // Its words may name a host, and stand in the status alone.
                tracing::warn!(code = error.code(), "no answer from the PAC script");
            } else {
                tracing::info!("the PAC script answers again");
            }
            *problem = now;
            drop(problem);
            self.changes.ring();
        }
    }
}

impl Turn {
    /// A worker was started, or not.
    fn started(&mut self, started: Result<Worker, WorkerError>) -> Result<(), PacError> {
        match started {
            Ok(worker) => {
                self.pause = None;
                self.worker = Some(worker);
                self.is_fresh = true;
                Ok(())
            }
            Err(error) => {
                let error = error.into();
                // The next would say the same.
                if matches!(error, PacError::Unusable(_)) {
                    self.failed = self.failed.max(FAILURES);
                }
                self.lost(&error);
                Err(error)
            }
        }
    }

    /// The worker is gone, or must go.
    fn lost(&mut self, why: &PacError) {
        self.worker = None;
        self.failed += 1;
        if let Some(more) = self.failed.checked_sub(FAILURES) {
            let pause = PAUSE.saturating_mul(1 << more.min(5)).min(LONGEST_PAUSE);
            self.pause = Some((Instant::now() + pause, why.clone()));
        }
    }
}

fn gone() -> PacError {
    PacError::NoWorker("it has ended".into())
}

impl From<WorkerError> for PacError {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Script(why) => Self::Unusable(why),
            WorkerError::Process(why) => Self::NoWorker(why),
        }
    }
}
