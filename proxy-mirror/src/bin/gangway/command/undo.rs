//! `gangway undo`: give every file back.

use proxy_mirror::control::{Door, Undone};
use proxy_mirror::target::TargetId;

use super::reach;
use crate::ask;
use crate::exit::{Exit, Failure};
use crate::output::{Output, plain};
use crate::words::Words;

/// Undoes everything that is journaled, or what is of one target, after a yes.
pub(super) async fn undo(
    target: Option<String>,
    yes: bool,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    let door = reach().await?;
    let target = target.map(TargetId);
    let question = match &target {
        None => words.text("cli_undo_question"),
        Some(TargetId(target)) => words.with("cli_undo_question_one", &[("target", target)]),
    };
    if !yes && !ask::confirm(&question).await? {
        return Ok(Exit::Failed);
    }
    let undone = door.undo(target.as_ref()).await?;
    output.json(&undone);
    show(&undone, output, words);
    if let Some(TargetId(target)) = &target {
        output.lines(&[words.with("cli_undo_left_alone", &[("target", target)])]);
    }
    Ok(Exit::Ok)
}

/// What was given back.
pub(super) fn show(undone: &Undone, output: Output, words: Words) {
    let mut lines = Vec::new();
    for (key, names) in [
        ("cli_undo_restored", &undone.restored),
        ("cli_undo_removed", &undone.removed),
        ("cli_undo_merged", &undone.merged),
        ("cli_undo_restarted", &undone.restarted),
        ("cli_undo_not_running", &undone.not_running),
    ] {
        for name in names {
            lines.push(plain(&words.with(key, &[("name", name)])).into_owned());
        }
    }
    if lines.is_empty() {
        lines.push(words.text("cli_undo_nothing"));
    }
    output.lines(&lines);
}
