//! `gangway run`: be the agent.

use std::sync::Arc;

use proxy_mirror::agent;
use proxy_mirror::control::Status;
use tokio::signal::unix::{SignalKind, signal};

use super::places;
use super::status::lines;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words::Words;

/// Runs the agent until SIGINT or SIGTERM; prints what changes.
pub(super) async fn run(output: Output, words: Words) -> Result<Exit, Failure> {
    // Before anything else, so that no signal finds the default handler while it starts.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut agent = agent::run(places()?).await?;
    let mut shown: Option<Arc<Status>> = None;
    loop {
        let status = Arc::clone(&agent.statuses().borrow_and_update());
        output.json_line(&*status);
        show_changes(shown.as_deref(), &status, output, words);
        shown = Some(status);
        tokio::select! {
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
            changed = agent.statuses().changed() => if changed.is_err() { break },
        }
    }
    agent.shutdown().await;
    Ok(Exit::Ok)
}

/// Prints each line of the picture that was not in the one before.
fn show_changes(before: Option<&Status>, now: &Status, output: Output, words: Words) {
    let before = before.map_or_else(Vec::new, |before| lines(before, output, words));
    let mut lines = lines(now, output, words);
    lines.retain(|line| !before.contains(line));
    output.lines(&lines);
}
