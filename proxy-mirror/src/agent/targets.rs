//! Docker, targets and changes, as the core asks for them.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use proxy_engine::control::{GuestNames, InterceptionState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine_link::Report;
use super::known::Known;
use crate::change::{self, Asking, ChangeError, Desks, PlannedChanges, Step};
use crate::control::{PlanStep, Problem, TargetView, Undone, WorldWay};
use crate::engine_service;
use crate::places::{Places, Rootless};
use crate::target::{self, Asked, Context, Daemon, Target, TargetId, clusters, guests};
use crate::world::Relay;

/// The container networks; `None` where Docker cannot be asked.
pub(super) async fn networks(rootless: Rootless) -> Option<Vec<clusters::Network>> {
    let docker = Daemon::local(&rootless).api().await.ok()?;
    match clusters::networks(&docker).await {
        Ok(networks) => Some(networks),
        Err(error) => {
            tracing::debug!(%error, "the container networks are not known");
            None
        }
    }
}

/// Yields whenever a container network may have come or gone, or Docker itself.
pub(super) fn network_changes(places: &Places) -> impl Stream<Item = ()> + Send + use<> {
    clusters::watch(Daemon::local(&places.rootless)).map(drop)
}

/// The containers' names by their addresses, kept up to date until `ended`.
pub(super) fn guests(places: &Places, ended: &CancellationToken) -> watch::Receiver<GuestNames> {
    let docker = Daemon::local(&places.rootless);
    let (tell, guests) = watch::channel(GuestNames::default());
    let keep = async move {
        let mut seen = pin!(guests::watch(docker));
        while let Some(names) = seen.next().await {
            tell.send_if_modified(|told| std::mem::replace(told, names.clone()) != names);
        }
    };
    tokio::spawn(ended.clone().run_until_cancelled_owned(keep));
    guests
}

/// The relay's addresses beside these networks.
pub(super) fn relay(port: u16, networks: &[clusters::Network]) -> Relay {
    Relay {
        port,
        containers: clusters::containers_address(networks),
    }
}

/// Every target, asked.
pub(super) async fn ask(places: &Places, known: &Known, report: &Report) -> Vec<TargetView> {
    let (context, targets) = all(places, known, report).await;
    let mut views = target::views(&context, &targets).await;
    let (seen, shown) = (places.seen(), views.clone());
    let followed = tokio::task::spawn_blocking(move || {
        target::drift::follow(&seen, &mut views);
        views
    });
    // Whoever else changed them is only said.
    followed.await.unwrap_or(shown)
}

/// What each world's programs would do with a destination.
pub(super) async fn ways(
    places: &Places,
    known: &Known,
    report: &Report,
    to: &Asked,
) -> Vec<WorldWay> {
    let (_context, targets) = all(places, known, report).await;
    target::ways(&targets, to).await
}

/// What would have to be done.
pub(super) async fn plan(places: &Places, known: &Known, report: &Report) -> PlannedChanges {
    let (context, targets) = all(places, known, report).await;
    target::plan(&context, &targets).await
}

/// Carries a plan out, to its end, whether or not somebody still waits for the answer.
pub(super) async fn execute(
    places: &Places,
    planned: PlannedChanges,
    asking: Asking,
) -> Result<Vec<PlanStep>, Problem> {
    let desks = desks(places).asking(asking);
    off_thread(move || {
        change::execute(&desks, &planned, &mut |step: Step| {
            tracing::info!(step = step.number, of = step.of, "{}", step.what);
        })
    })
    .await
}

/// Gives everything back that the journals know, or what they know of one target.
pub(super) async fn undo(
    places: &Places,
    only: Option<TargetId>,
    asking: Asking,
) -> Result<Undone, Problem> {
    let desks = desks(places).asking(asking);
    let seen = places.seen();
    off_thread(move || {
        let undone = change::undo(&desks, only.as_ref())?;
        target::drift::forget(&seen, only.as_ref());
        Ok(undone)
    })
    .await
}

/// The names of every target.
pub(super) async fn names(places: &Places, known: &Known, report: &Report) -> Vec<TargetId> {
    let (_context, targets) = all(places, known, report).await;
    targets.iter().map(|target| target.id()).collect()
}

/// Root's part of what the agent was not given root for, asked for on this command's terminal.
pub(super) async fn finish(file: PathBuf) -> Result<Undone, Problem> {
    off_thread(move || change::elevation::finish(&file))
        .await
        .map(Option::unwrap_or_default)
}

/// The engine's service, from nothing to answering.
pub(super) async fn install_service(places: &Places) -> Result<(), Problem> {
    let desks = desks(places).asking(Asking::of_a_command());
    off_thread(move || engine_service::install(&desks)).await
}

/// The engine's service, gone.
pub(super) async fn remove_service(places: &Places) -> Result<Undone, Problem> {
    let desks = desks(places).asking(Asking::of_a_command());
    off_thread(move || engine_service::remove(&desks)).await
}

/// Both journals of this user's places.
pub(super) fn desks(places: &Places) -> Desks {
    Desks::new(places.journal(), places.machine_journal())
}

async fn all(
    places: &Places,
    known: &Known,
    report: &Report,
) -> (Arc<Context>, Vec<Box<dyn Target>>) {
    let interception = report
        .status
        .as_ref()
        .map_or(InterceptionState::Off, |status| status.interception.clone());
    let docker_cli = target::docker_cli_config(&places.home);
    let context = Arc::new(Context {
        settings: known.settings.clone(),
        policy: known.decision.policy.clone(),
        cause: known.decision.cause.clone(),
        relay: known.relay,
        engine: report.runs,
        interception,
        rootless: places.rootless.clone(),
        docker: Daemon::local(&places.rootless),
        networks: known.networks.clone(),
        desks: desks(places),
        buildx: target::buildx::folder(&docker_cli),
        docker_cli,
        podman: target::podman::Place::of(places, known.podman.clone()),
    });
    let targets = target::all(&context).await;
    (context, targets)
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Problem::from),
        Err(error) => Err(Problem::new("change_broke", error.to_string()).with("error", error)),
    }
}
