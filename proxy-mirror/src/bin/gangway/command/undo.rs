//! `gangway undo`: give every file back.

use proxy_mirror::control::{Door, Undone};

use super::reach;
use crate::ask;
use crate::exit::{Exit, Failure};
use crate::output::{Output, plain};
use crate::words::Words;

/// Undoes everything that is journaled, after a yes.
pub(super) async fn undo(yes: bool, output: Output, words: Words) -> Result<Exit, Failure> {
    let door = reach().await?;
    if !yes && !ask::confirm(&words.text("cli_undo_question")).await? {
        return Ok(Exit::Failed);
    }
    let undone = door.undo().await?;
    output.json(&undone);
    show(&undone, output, words);
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
