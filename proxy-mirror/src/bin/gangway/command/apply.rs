//! `gangway apply`: show the plan, ask, carry it out, ask each target.

use proxy_mirror::agent::Reached;
use proxy_mirror::control::{Applied, ApplyRequest, Door, EngineRuns};
use proxy_mirror::settings::Style;

use super::{engine, plan, reach, status};
use crate::ask;
use crate::exit::{Exit, Failure};
use crate::output::{Output, plain};
use crate::words::Words;

/// Carries out the plan, after a yes.
pub(super) async fn apply(yes: bool, output: Output, words: Words) -> Result<Exit, Failure> {
    let door = reach().await?;
    offer_engine(&door, yes, output, words).await?;
    let planned = door.plan().await?;
    plan::show(&planned, output, words);
    if !planned.steps.is_empty() && !yes && !ask::confirm(&words.text("cli_apply_question")).await?
    {
        return Ok(Exit::Failed);
    }
    let applied = door.apply(ApplyRequest { plan: planned.id }).await?;
    output.json(&applied);
    show(&applied, output, words);
    Ok(plan::exit(&applied.refused))
}

/// The relay style wants the engine to be there from boot on: offered before targets are told of it.
async fn offer_engine(
    door: &Reached,
    yes: bool,
    output: Output,
    words: Words,
) -> Result<(), Failure> {
    let status = door.status().await?;
    let has_none = matches!(
        status.engine.runs,
        EngineRuns::Absent | EngineRuns::Embedded
    );
    if !status.on || status.style != Style::Relay || !has_none || !engine::can_be_installed() {
        return Ok(());
    }
    let install = if yes {
        rustix::process::geteuid().is_root()
    } else {
        ask::confirm(&words.text("cli_apply_engine_question")).await?
    };
    if install {
        engine::install().await?;
        output.line(&words.text("cli_engine_installed"));
    }
    Ok(())
}

fn show(applied: &Applied, output: Output, words: Words) {
    let done = applied
        .done
        .iter()
        .map(|step| plain(&words.said(&step.what)).into_owned());
    let targets = applied.targets.iter();
    let targets = targets.map(|target| status::target_line(target, output, words));
    let refused = plan::refused_lines(&applied.refused, output, words);
    output.lines(&done.chain(targets).chain(refused).collect::<Vec<_>>());
}
