//! `gangway plan`: what `apply` would change.

use proxy_mirror::control::{Door, Plan, Problem, RefusedTarget};

use super::reach;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the plan.
pub(super) async fn plan(output: Output, words: Words) -> Result<Exit, Failure> {
    let plan = reach().await?.plan().await?;
    output.json(&plan);
    show(&plan, output, words);
    Ok(match exit(&plan.refused) {
        Exit::Ok if !plan.steps.is_empty() => Exit::SomethingToDo,
        exit => exit,
    })
}

/// Something that should be planned or done and is not has failed, whatever went well beside it.
pub(super) fn exit(refused: &[RefusedTarget]) -> Exit {
    if refused.is_empty() {
        Exit::Ok
    } else {
        Exit::Failed
    }
}

/// The targets that stay as they are, a line each, with the reason.
pub(super) fn refused_lines(
    refused: &[RefusedTarget],
    output: Output,
    words: Words,
) -> Vec<String> {
    let line = |refused: &RefusedTarget| {
        let target = output.tone(Tone::Heading, &refused.target.0);
        let problem = output.tone(Tone::Bad, &words.problem(&refused.problem));
        format!("{target}  {problem}")
    };
    refused.iter().map(line).collect()
}

/// What exceptions mean in a target that they do not mean here, a line each.
pub(super) fn note_lines(notes: &[Problem], words: Words) -> Vec<String> {
    let line = |note: &Problem| format!("  ! {}", plain(&words.problem(note)));
    notes.iter().map(line).collect()
}

/// What is refused, then the steps, then the diff as `patch` accepts it.
pub(super) fn show(plan: &Plan, output: Output, words: Words) {
    let mut lines = refused_lines(&plan.refused, output, words);
    lines.extend(note_lines(&plan.notes, words));
    if plan.steps.is_empty() {
        if plan.refused.is_empty() {
            lines.push(words.text("cli_plan_empty"));
        }
        output.lines(&lines);
        return;
    }
    for step in &plan.steps {
        let target = output.tone(Tone::Heading, &step.target.0);
        lines.push(format!("{target}  {}", plain(&words.said(&step.what))));
        if let Some(restarts) = &step.restarts {
            lines.push(format!(
                "    {}",
                output.tone(Tone::Bad, &words.said(restarts))
            ));
        }
        let undo = words.with("cli_plan_undo", &[("undo", &words.said(&step.undo))]);
        lines.push(format!("    {}", output.tone(Tone::Quiet, &undo)));
    }
    lines.push(String::new());
    lines.extend(plan.diff.lines().map(|line| match line.as_bytes().first() {
        Some(b'+') => output.tone(Tone::Good, line),
        Some(b'-') => output.tone(Tone::Bad, line),
        _ => plain(line).into_owned(),
    }));
    if plan.needs_root {
        lines.push(String::new());
        lines.push(words.text("cli_plan_needs_root"));
    }
    output.lines(&lines);
}
