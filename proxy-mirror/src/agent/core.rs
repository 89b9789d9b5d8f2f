//! Everything that an agent knows and does, but the loop.

mod door;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::Stream;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::credentials::Passwords;
use super::engine_link::{self, Report, Told, Wanted};
use super::known::{Known, Scripts, Surroundings};
use super::{targets, view};
use crate::control::{EngineRuns, Status};
use crate::pac::Keeper;
use crate::places::Places;
use crate::secret::Keychain;
use crate::settings::Style;
use crate::source::Source;
use crate::world::Relay;
use crate::{rootless, source};

/// A change of settings waits so long for the engine to have heard of it.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// Between the end of a pause and the look that sees it.
const PAUSE_OVER: Duration = Duration::from_secs(1);
/// The clock is looked at so often for the end of a pause.
const PAUSE_LOOK: Duration = Duration::from_secs(20);

/// A PAC script that was never had is waited for so long; after that, the look goes on without it.
const SCRIPT_WITHIN: Duration = Duration::from_secs(2);

/// Answers every question of the API. In an agent it keeps the engine at the policy; alone, in a
/// command, it looks at what is there, and tells the engine service only what it was asked to change.
pub struct Core {
    places: Places,
    sources: Arc<Vec<Box<dyn Source>>>,
    keychain: Keychain,
    passwords: Passwords,
    scripts: Keeper,
    around: Surroundings,
    known: RwLock<Option<Arc<Known>>>,
    /// Rings after every look.
    looked: Notify,
    /// One look at a time, so that an older one never overwrites a newer.
    looking: Mutex<()>,
    /// One change of the machine at a time.
    changing: Mutex<()>,
    role: Role,
}

enum Role {
    Agent(Keeping),
    Alone,
}

/// What an agent has besides.
struct Keeping {
    wanted: watch::Sender<Wanted>,
    report: watch::Receiver<Report>,
    statuses: watch::Sender<Arc<Status>>,
    relay: watch::Sender<Option<Relay>>,
}

/// The core of a new agent, and what comes out of it.
pub(super) struct Founded {
    pub(super) core: Arc<Core>,
    /// The pictures that it publishes.
    pub(super) statuses: watch::Receiver<Arc<Status>>,
    /// What its engine says.
    pub(super) reports: watch::Receiver<Report>,
    /// Keeps the engine.
    pub(super) engine: JoinHandle<()>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The rest holds passwords, or says nothing.
        f.debug_struct("Core")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// For a command that found no agent.
    pub fn alone(places: Places) -> Self {
        Self::new(places, Role::Alone)
    }

    /// For an agent, with the task that keeps an engine until `ended`.
    pub(super) fn agent(places: Places, ended: &CancellationToken) -> Founded {
        let (wanted, wants) = watch::channel(Wanted::nothing());
        let (reports, report) = watch::channel(Report::none(EngineRuns::Absent));
        let (publish, statuses) = watch::channel(Arc::new(view::unknown()));
        let keeping = Keeping {
            wanted,
            report: report.clone(),
            statuses: publish,
            relay: watch::Sender::new(None),
        };
        let told = Told {
            wanted: wants,
            guests: targets::guests(&places, ended),
            given: engine_link::Given::default(),
        };
        let inner = rootless::keep(places.rootless.socket.clone(), keeping.relay.subscribe());
        tokio::spawn(ended.clone().run_until_cancelled_owned(inner));
        let engine = engine_link::keep(places.clone(), told, reports, ended.clone());
        Founded {
            core: Arc::new(Self::new(places, Role::Agent(keeping))),
            statuses,
            reports: report,
            engine: tokio::spawn(engine),
        }
    }

    fn new(places: Places, role: Role) -> Self {
        Self {
            sources: Arc::new(source::all(&places)),
            keychain: Keychain::new(),
            passwords: Passwords::default(),
            scripts: Keeper::default(),
            around: Surroundings::new(),
            known: RwLock::new(None),
            looked: Notify::new(),
            looking: Mutex::new(()),
            changing: Mutex::new(()),
            places,
            role,
        }
    }

    /// Yields whenever a container network may have come or gone, or Docker itself.
    pub(super) fn network_changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        targets::network_changes(&self.places)
    }

    /// Looks at everything again, tells the engine, and publishes the picture.
    pub(super) async fn refresh(&self) -> Arc<Status> {
        self.follow().await;
        self.show().await
    }

    /// Looks at everything again and tells the engine; whether it had something new to hear. No
    /// target is asked: what takes long there must not hold up a new route.
    pub(super) async fn follow(&self) -> bool {
        let before = self.known();
        let known = self.look().await;
        self.tell_engine(&known, before.as_deref()).await
    }

    /// The keychain may hold other passwords now.
    pub(super) fn keychain_changed(&self) {
        self.passwords.look_again();
    }

    /// Returns when the keychain has said something new.
    pub(super) async fn keychain_answered(&self) {
        self.passwords.answered().await;
    }

    /// Returns when Docker or WSL has said something new that no look has seen.
    pub(super) async fn heard_late(&self) {
        self.around.heard_late().await;
    }

    /// This machine is in another network.
    pub(super) fn moved(&self) {
        self.around.moved();
        self.scripts.renew();
    }

    /// Returns when a pause has come to its end.
    pub(super) async fn pause_ends(&self) {
        loop {
            let until = self.known().and_then(|known| known.settings.off_until);
            let left = until.map(|until| {
                let until = UNIX_EPOCH + Duration::from_secs(until);
                until.duration_since(SystemTime::now()).unwrap_or_default()
            });
            let over = async {
                match left {
                    // The clock may be set meanwhile, and a machine may sleep.
                    // One that is over is seen by the next look, which takes a moment.
                    Some(left) => tokio::time::sleep(left.clamp(PAUSE_OVER, PAUSE_LOOK)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => {
                    if left.is_some_and(|left| left <= PAUSE_LOOK) {
                        return;
                    }
                }
                () = self.looked.notified() => {}
            }
        }
    }

    /// Publishes the picture of what is known, every target asked.
    pub(super) async fn show(&self) -> Arc<Status> {
        let known = match self.known() {
            Some(known) => known,
            None => self.look().await,
        };
        let status = Arc::new(self.picture(&known).await);
        self.publish(&status);
        status
    }

    /// The engine says something new: the picture with what is known of the rest.
    pub(super) async fn engine_changed(&self) {
        let Role::Agent(keeping) = &self.role else {
            return;
        };
        let report = keeping.report.borrow().clone();
        let before = Arc::clone(&keeping.statuses.borrow());
        let engine = view::engine(&report);
        // Only what targets depend on makes it worth asking them again.
        let same = before.engine.runs == engine.runs
            && before.engine.listening == engine.listening
            && before.engine.intercepts == engine.intercepts;
        let (true, Some(known)) = (same, self.known()) else {
            self.show().await;
            return;
        };
        let targets = before.targets.clone();
        self.publish(&Arc::new(view::status(
            &known,
            &report,
            targets,
            self.pid(),
        )));
    }

    /// Every source, for whoever watches them.
    pub(super) fn sources(&self) -> &[Box<dyn Source>] {
        &self.sources
    }

    /// The PAC scripts.
    pub(super) fn scripts(&self) -> &Keeper {
        &self.scripts
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn look(&self) -> Arc<Known> {
        let _turn = self.looking.lock().await;
        let before = self.known();
        let scripts = Scripts {
            keeper: &self.scripts,
            patience: match self.role {
                Role::Agent(_) => SCRIPT_WITHIN,
                // Nobody looks again.
                Role::Alone => HEARD_WITHIN + SCRIPT_WITHIN,
            },
        };
        let sources = Arc::clone(&self.sources);
        let known = Known::look(&self.places, sources, scripts, &self.around, before).await;
        let known = Arc::new(known);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        self.looked.notify_one();
        known
    }

    /// Whether the engine had something new to hear.
    async fn tell_engine(&self, known: &Known, before: Option<&Known>) -> bool {
        let Role::Agent(keeping) = &self.role else {
            return false;
        };
        if !known.was_read {
            // An engine that runs goes on with the last policy that it was told.
            return false;
        }
        keeping.relay.send_if_modified(|relay| {
            let before = relay.replace(known.relay);
            before != *relay
        });
        let credentials = self
            .passwords
            .of(&known.decision.wanted, self.keychain)
            .await;
        keeping.wanted.send_if_modified(|wanted| {
            let next = Wanted {
                serial: wanted.serial + 1,
                policy: known.decision.policy.clone(),
                credentials,
                relay: known.relay,
                embed: known.settings.style == Style::Relay,
            };
            let changed = !wanted.says_the_same(&next);
            if changed {
                let mut news = known.news(before);
                if wanted.credentials != next.credentials {
                    news.push("credentials".to_owned());
                }
                tracing::info!(
                    serial = next.serial,
                    because = news.join(", "),
                    policy = %known.decision.cause,
                    "the engine is told a new policy"
                );
                *wanted = next;
            }
            changed
        })
    }

    /// Waits until the engine has heard of the newest policy; an agent that has none waits in vain,
    /// and its status says so.
    async fn heard(&self) {
        match &self.role {
            Role::Agent(keeping) => {
                let serial = keeping.wanted.borrow().serial;
                let mut report = keeping.report.clone();
                let heard = report.wait_for(|report| report.serial >= serial);
                // Late or gone: the picture says what the engine does meanwhile.
                let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
            }
            Role::Alone => {
                let Some(known) = self.known().filter(|known| known.was_read) else {
                    return;
                };
                let policy = &known.decision.policy;
                if let Err(error) = engine_link::tell_service(&self.places, policy).await {
                    tracing::warn!(%error, "the engine service was not told");
                }
            }
        }
    }

    async fn picture(&self, known: &Known) -> Status {
        let report = match &self.role {
            Role::Agent(keeping) => keeping.report.borrow().clone(),
            Role::Alone => engine_link::look(&self.places).await,
        };
        let targets = targets::ask(&self.places, known, &report).await;
        let mut status = view::status(known, &report, targets, self.pid());
        status.notices.extend(self.passwords.notices());
        status
    }

    fn publish(&self, status: &Arc<Status>) {
        if let Role::Agent(keeping) = &self.role {
            keeping.statuses.send_if_modified(|shown| {
                let changed = **shown != **status;
                *shown = Arc::clone(status);
                changed
            });
        }
    }

    fn pid(&self) -> Option<u32> {
        match self.role {
            Role::Agent(_) => Some(std::process::id()),
            Role::Alone => None,
        }
    }

    async fn report(&self) -> Report {
        match &self.role {
            Role::Agent(keeping) => keeping.report.borrow().clone(),
            Role::Alone => engine_link::look(&self.places).await,
        }
    }
}
