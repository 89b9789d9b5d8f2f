//! `gangway status`: source → engine → each target.

use std::time::{SystemTime, UNIX_EPOCH};

use proxy_mirror::control::{
    CredentialsState, Door, EngineRuns, EngineView, PolicyKind, PolicyView, SourceView, Status,
    TargetView,
};
use proxy_mirror::target::TargetState;

use super::plan::note_lines;
use super::reach;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the whole picture; ends with 4 when something that should be in force is not.
pub(super) async fn status(output: Output, words: Words) -> Result<Exit, Failure> {
    let status = reach().await?.status().await?;
    output.json(&status);
    output.lines(&lines(&status, output, words));
    Ok(if status.is_in_force() {
        Exit::Ok
    } else {
        Exit::NotInForce
    })
}

/// The picture, a fact a line; nothing in it changes with every connection.
pub(super) fn lines(status: &Status, output: Output, words: Words) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}  {}",
            output.tone(Tone::Heading, &mode(status, words)),
            words.style(status.style)
        ),
        match status.agent_pid {
            Some(pid) => words.with("cli_status_agent", &[("pid", &pid.to_string())]),
            None => words.text("cli_status_no_agent"),
        },
    ];
    if !status.profiles.is_empty() {
        lines.push(plain(&super::profile::holds(status, words)).into_owned());
    }
    let heading = |key| output.tone(Tone::Heading, &words.text(key));
    lines.push(heading("cli_heading_sources"));
    lines.extend(
        status
            .sources
            .chunk_by(alike)
            .map(|alike| source_line(alike, output, words)),
    );
    lines.push(heading("cli_heading_policy"));
    lines.extend(policy_lines(&status.policy, words));
    lines.push(heading("cli_heading_engine"));
    lines.extend(engine_lines(&status.engine, output, words));
    lines.push(heading("cli_heading_targets"));
    lines.extend(
        status
            .targets
            .iter()
            .flat_map(|target| target_lines(target, output, words)),
    );
    if !status.notices.is_empty() {
        lines.push(heading("cli_heading_notices"));
        lines.extend(
            status
                .notices
                .iter()
                .map(|notice| format!("  ! {}", plain(&words.problem(notice)))),
        );
    }
    lines
}

/// The mode, or how long it is still off.
fn mode(status: &Status, words: Words) -> String {
    let Some(until) = status.off_until else {
        return words.mode(status.mode);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let left = until.saturating_sub(now.unwrap_or_default().as_secs());
    words.with("cli_paused", &[("minutes", &left.div_ceil(60).to_string())])
}

/// Neighbours that are silent for the same reason: browsers that are not there say it in one line.
fn alike(one: &SourceView, other: &SourceView) -> bool {
    let silent = |source: &SourceView| !source.chosen && source.error.is_none();
    silent(one) && silent(other) && one.says == other.says && one.origin == other.origin
}

/// One source, or several that are [`alike`]; never none.
fn source_line(alike: &[SourceView], output: Output, words: Words) -> String {
    let source = &alike[0];
    let mark = if source.chosen { "→" } else { " " };
    let names: Vec<String> = { alike.iter() }
        .map(|source| words.source(source.source))
        .collect();
    let name = names.join(", ");
    let mut parts = vec![format!(
        "  {mark} {name}: {}",
        plain(&words.said(&source.says))
    )];
    let origin = words.said(&source.origin);
    if !origin.is_empty() {
        parts.push(output.tone(Tone::Quiet, &format!("({origin})")));
    }
    if let Some(error) = &source.error {
        parts.push(output.tone(Tone::Bad, error));
    }
    parts.join("  ")
}

fn policy_lines(policy: &PolicyView, words: Words) -> Vec<String> {
    let route = match policy.kind {
        PolicyKind::Direct => words.text("cli_policy_direct"),
        PolicyKind::Pac => words.text("cli_policy_pac"),
        PolicyKind::Refused => words.text("cli_policy_refused"),
        PolicyKind::Upstreams => words.with(
            "cli_policy_upstreams",
            &[("upstreams", &policy.upstreams.join(", "))],
        ),
    };
    let mut lines = vec![plain(&format!("  {route} ({})", words.said(&policy.cause))).into_owned()];
    if !policy.bypass.is_empty() {
        let list = policy.bypass.join(", ");
        let line = words.with("cli_policy_bypass", &[("list", &list)]);
        lines.push(format!("  {}", plain(&line)));
    }
    lines
}

/// What the engine says, a fact a line.
pub(super) fn engine_lines(engine: &EngineView, output: Output, words: Words) -> Vec<String> {
    let runs = words.text(match engine.runs {
        EngineRuns::Service => "cli_engine_service",
        EngineRuns::Embedded => "cli_engine_embedded",
        EngineRuns::Stopped => "cli_engine_stopped",
        EngineRuns::Absent => "cli_engine_absent",
    });
    let mut lines = vec![format!("  {runs}")];
    if !engine.version.is_empty() {
        let version = words.with("cli_engine_version", &[("version", &engine.version)]);
        lines.push(format!("  {}", plain(&version)));
    }
    if !engine.listening.is_empty() {
        let list = engine.listening.join(", ");
        lines.push(format!(
            "  {}",
            words.with("cli_engine_listening", &[("list", &list)])
        ));
    }
    if !engine.serves_engines.is_empty() {
        let list = engine.serves_engines.join(", ");
        let line = words.with("cli_engine_serves_engines", &[("list", &list)]);
        lines.push(format!("  {line}"));
    }
    if let Some(chain) = &engine.decided_by {
        let args = [("engine", &chain.engine[..]), ("name", &chain.name[..])];
        let line = format!("  {}", plain(&words.with("cli_engine_decided_by", &args)));
        lines.push(match &chain.problem {
            None => line,
            Some(problem) => {
                let problem = output.tone(Tone::Bad, &words.problem(problem));
                format!("{line}; {problem}")
            }
        });
    }
    for error in &engine.listen_errors {
        lines.push(format!("  {}", output.tone(Tone::Bad, error)));
    }
    let intercepts = words.with(
        "cli_engine_intercepts",
        &[("what", &words.said(&engine.intercepts))],
    );
    lines.push(format!("  {}", plain(&intercepts)));
    if let Some(problem) = &engine.intercept_error {
        lines.push(format!(
            "  {}",
            output.tone(Tone::Bad, &words.problem(problem))
        ));
    }
    for upstream in &engine.upstreams {
        let credentials = words.text(match upstream.credentials {
            CredentialsState::NotNeeded => "cli_credentials_not_needed",
            CredentialsState::Lent => "cli_credentials_lent",
            CredentialsState::Missing => "cli_credentials_missing",
        });
        let mut state = format!("  {}: {credentials}", plain(&upstream.upstream));
        if upstream.down {
            state.push_str("; ");
            state.push_str(&words.text("cli_upstream_down"));
        }
        lines.push(match &upstream.problem {
            None => state,
            Some(problem) => {
                let problem = output.tone(Tone::Bad, &words.problem(problem));
                format!("{state}; {problem}")
            }
        });
    }
    lines
}

fn target_lines(target: &TargetView, output: Output, words: Words) -> Vec<String> {
    let mut lines = vec![target_line(target, output, words)];
    lines.extend(note_lines(&target.notes, words));
    lines
}

/// One target: a mark, its name, its state in words, the evidence or the reason.
pub(super) fn target_line(target: &TargetView, output: Output, words: Words) -> String {
    let (mark, tone, key, reason) = match &target.state {
        TargetState::NotInstalled => ("-", Tone::Quiet, "cli_target_not_installed", None),
        TargetState::Untouched => ("-", Tone::Quiet, "cli_target_untouched", None),
        TargetState::InForce { evidence } => {
            ("✓", Tone::Good, "cli_target_in_force", Some(evidence))
        }
        TargetState::Differs { reason } => ("✗", Tone::Bad, "cli_target_differs", Some(reason)),
        TargetState::NotInForce { reason } => {
            ("✗", Tone::Bad, "cli_target_not_in_force", Some(reason))
        }
        TargetState::Failed { reason } => ("✗", Tone::Bad, "cli_target_failed", Some(reason)),
        TargetState::Blocked { reason } => ("✗", Tone::Bad, "cli_target_blocked", Some(reason)),
    };
    let version = target
        .version
        .as_deref()
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    let state = output.tone(tone, &format!("{mark} {}", words.text(key)));
    let line = format!(
        "  {}{}: {state}",
        plain(&words.target(&target.id, &target.title)),
        plain(&version)
    );
    match reason {
        None => line,
        Some(reason) => format!("{line}: {}", plain(&words.said(reason))),
    }
}
