//! `gangway plan`: what `apply` would change.

use proxy_mirror::control::{Door, Plan};

use super::reach;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the plan.
pub(super) async fn plan(output: Output, words: Words) -> Result<Exit, Failure> {
    let plan = reach().await?.plan().await?;
    if output.is_json() {
        output.json(&plan);
    } else {
        show(&plan, output, words);
    }
    Ok(Exit::Ok)
}

/// The steps, then the diff as `patch` accepts it.
pub(super) fn show(plan: &Plan, output: Output, words: Words) {
    if plan.steps.is_empty() {
        output.text(&format!("{}\n", words.text("cli_plan_empty")));
        return;
    }
    let mut text = String::new();
    for step in &plan.steps {
        text += &format!(
            "{}  {}\n",
            output.tone(Tone::Heading, &step.target.0),
            plain(&step.what)
        );
        if let Some(restarts) = &step.restarts {
            text += &format!("    {}\n", output.tone(Tone::Bad, restarts));
        }
        let undo = words.with("cli_plan_undo", &[("undo", &step.undo)]);
        text += &format!("    {}\n", output.tone(Tone::Quiet, &undo));
    }
    text.push('\n');
    for line in plan.diff.lines() {
        let tone = match line.as_bytes().first() {
            Some(b'+') => Some(Tone::Good),
            Some(b'-') => Some(Tone::Bad),
            _ => None,
        };
        text += &tone.map_or_else(|| plain(line).into_owned(), |tone| output.tone(tone, line));
        text.push('\n');
    }
    if plan.needs_root {
        text += &format!("\n{}\n", words.text("cli_plan_needs_root"));
    }
    output.text(&text);
}
