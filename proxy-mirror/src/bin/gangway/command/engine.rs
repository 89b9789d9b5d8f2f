//! `gangway engine install|remove|status`: the engine as a service, from boot on.

use std::path::Path;
use std::time::{Duration, Instant};

use proxy_mirror::agent;
use proxy_mirror::control::{Door, EngineRuns, Service, ServiceView};

use super::{places, reach, status, undo};
use crate::arguments::EngineCommand;
use crate::ask;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Looking for the service, and draining connections, take an agent three seconds at most.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(10);

/// Carries out one of them.
pub(super) async fn engine(
    command: EngineCommand,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    match command {
        EngineCommand::Install { yes } => install_asking(yes, output, words).await,
        EngineCommand::Remove { yes } => {
            if !yes && !ask::confirm(&words.text("cli_engine_remove_question")).await? {
                return Ok(Exit::Failed);
            }
            let undone = agent::remove_service(&places()?).await?;
            output.json(&undone);
            undo::show(&undone, output, words);
            Ok(Exit::Ok)
        }
        EngineCommand::Status => {
            let view = agent::service(&places()?).await;
            output.json(&view);
            show(&view, output, words);
            Ok(match view.service {
                Service::Running => Exit::Ok,
                Service::Absent | Service::Stopped => Exit::NotInForce,
            })
        }
    }
}

/// Installs it, after a yes.
pub(super) async fn install_asking(
    yes: bool,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    if !yes && !ask::confirm(&words.text("cli_engine_install_question")).await? {
        return Ok(Exit::Failed);
    }
    let view = install().await?;
    output.json(&view);
    output.line(&words.text("cli_engine_installed"));
    Ok(Exit::Ok)
}

/// Whether a service could be installed here at all: systemd runs this machine (`sd_booted(3)`).
pub(super) fn can_be_installed() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Installs it, and asks it.
pub(super) async fn install() -> Result<ServiceView, Failure> {
    let places = places()?;
    agent::install_service(&places).await?;
    until_attached().await?;
    Ok(agent::service(&places).await)
}

/// An agent that was its own engine hands over to the service first: before that, a plan would
/// find nobody who answers from boot on.
async fn until_attached() -> Result<(), Failure> {
    let door = reach().await?;
    let begun = Instant::now();
    while door.status().await?.engine.runs != EngineRuns::Service
        && begun.elapsed() < HANDED_OVER_WITHIN
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn show(view: &ServiceView, output: Output, words: Words) {
    let mut lines = vec![output.tone(Tone::Heading, &words.text("cli_heading_engine"))];
    lines.extend(status::engine_lines(&view.engine, output, words));
    lines.push(format!("  {}", plain(&view.socket)));
    output.lines(&lines);
}
