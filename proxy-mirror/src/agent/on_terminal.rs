//! What a running agent was not given root for, a command asks for again on its own terminal: the
//! agent has none that anybody looks at.

use std::path::PathBuf;

use super::targets;
use crate::change::Asking;
use crate::control::client::Client;
use crate::control::{Applied, ApplyRequest, Door, Plan, Problem, Undone};
use crate::target::TargetId;

/// Applies through the agent; root's part, where it is not given it, from here.
pub(super) async fn apply(client: &Client, request: ApplyRequest) -> Result<Applied, Problem> {
    let refused = match client.apply(request.clone()).await {
        Err(problem) => problem,
        done => return done,
    };
    let Some(file) = left_for_root(&refused) else {
        return Err(refused);
    };
    // Root's part comes first: nothing of the plan is done yet.
    let shown = client.plan().await?;
    if shown.id != request.plan {
        return Err(refused);
    }
    targets::finish(file).await?;
    let rest = client.plan().await?;
    if !rest.steps.iter().all(|step| shown.steps.contains(step)) {
        return Err(Problem::new(
            "plan_stale",
            "root's part is done, and the machine has changed meanwhile: look at `gangway plan` again",
        ));
    }
    let Plan {
        id: plan, steps, ..
    } = rest;
    let applied = client.apply(ApplyRequest { plan }).await?;
    let mut done = shown.steps;
    done.retain(|step| !steps.contains(step));
    done.extend(applied.done);
    Ok(Applied { done, ..applied })
}

/// Undoes through the agent; root's part, where it is not given it, from here.
pub(super) async fn undo(client: &Client, only: Option<&TargetId>) -> Result<Undone, Problem> {
    let refused = match client.undo(only).await {
        Err(problem) => problem,
        done => return done,
    };
    let Some(file) = left_for_root(&refused) else {
        return Err(refused);
    };
    let mut undone = targets::finish(file).await?;
    // The user's own files were given back before; what is left, if anything, is now.
    undone.absorb(client.undo(only).await?);
    Ok(undone)
}

/// What root is needed for, where it can be asked for on this process's terminal.
fn left_for_root(problem: &Problem) -> Option<PathBuf> {
    let file = problem.args.get("file")?;
    let here = problem.code == "needs_root" && Asking::of_a_command() == Asking::OnTerminal;
    here.then(|| PathBuf::from(file))
}
