//! `gangway explain URL`: how it would go, and why; or how it would go if something else were set.

use std::path::Path;

use proxy_engine::pac::{self, Script};
use proxy_mirror::agent::Reached;
use proxy_mirror::control::{
    Door, Explanation, PolicyKind, Problem, RouteKind, Said, Tried, WayKind,
};
use proxy_mirror::doctor::{self, ExplainError, Given};
use proxy_mirror::settings;

use super::reach;
use crate::arguments::Explain;
use crate::exit::{Exit, Failure};
use crate::invalid;
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the route of one URL; ends with 1 when it was tried and not reached.
pub(super) async fn explain(asked: Explain, output: Output, words: Words) -> Result<Exit, Failure> {
    let mut notes = Vec::new();
    let in_force = asked.upstream.is_empty() && asked.pac.is_none() && asked.bypass.is_none();
    let explanation = if in_force {
        let door = reach().await?;
        let mut explanation = door.explain(&asked.url).await?;
        if asked.try_out {
            explanation.tried = Some(try_out(&asked.url, &door).await?);
        }
        explanation
    } else {
        by_what_is_given(&asked, &mut notes).await?
    };
    for note in &notes {
        // Beside the answer, which scripts read.
        eprintln!("{}", plain(&words.problem(note)));
    }
    output.json(&explanation);
    output.lines(&lines(&explanation, output, words));
    let failed = explanation.tried.is_some_and(|tried| !tried.reached);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// By what the command line says; the proxies that it does not name are those in use.
async fn by_what_is_given(
    asked: &Explain,
    notes: &mut Vec<Problem>,
) -> Result<Explanation, Failure> {
    let mut given = Given {
        origin: Said::verbatim("--upstream"),
        bypass: asked.bypass.clone().map(|list| (list, asked.dialect)),
        ..Given::default()
    };
    let mut by_a_script_elsewhere = false;
    let urls = if let Some(file) = &asked.pac {
        given.origin = Said::verbatim(format!("--pac {}", file.display()));
        given.script = Some(script(file)?);
        Vec::new()
    } else if asked.upstream.is_empty() {
        let policy = reach().await?.status().await?.policy;
        by_a_script_elsewhere = policy.kind == PolicyKind::Pac;
        if policy.kind == PolicyKind::Refused || by_a_script_elsewhere {
            given.refused = Some(policy.cause.english.clone());
        }
        given.origin = policy.cause;
        policy.upstreams
    } else {
        asked.upstream.clone()
    };
    for url in &urls {
        let upstream = settings::upstream(url).map_err(|error| invalid("--upstream", error))?;
        given.upstreams.push(upstream);
    }
    let (decision, lost) = given
        .decision()
        .map_err(|error| invalid("explain", error))?;
    notes.extend(lost.iter().map(|note| note.problem(&"--bypass")));
    let explanation = doctor::explain(&asked.url, &decision).map_err(|error| refused(&error))?;
    if by_a_script_elsewhere && explanation.route == RouteKind::Refused {
        return Err(Problem::new(
            "explain_needs_script",
            "no exception of the list names it, and what is set leaves it to a PAC script: give the \
             script, too (--pac FILE), or a proxy (--upstream URL)",
        )
        .into());
    }
    Ok(doctor::ask_script(&asked.url, &decision, explanation).await)
}

/// The script in a file.
fn script(file: &Path) -> Result<Script, Failure> {
    let invalid =
        |error: &dyn std::fmt::Display| invalid("--pac", format!("{}: {error}", file.display()));
    let bytes = pac::read(file).map_err(|error| invalid(&error))?;
    let text = pac::decode(&bytes, None).map_err(|error| invalid(&error))?;
    Script::new(&text).map_err(|error| invalid(&error))
}

/// Asks the engine, where one listens.
async fn try_out(url: &str, door: &Reached) -> Result<Tried, Failure> {
    let engine = door.status().await?.engine;
    let listening = { engine.listening.iter() }.find_map(|address| address.parse().ok());
    let Some(relay) = listening else {
        return Err(Problem::new(
            "engine_absent",
            "no engine runs: `gangway run` starts one, `gangway engine install` installs one",
        )
        .into());
    };
    doctor::try_out(relay, url)
        .await
        .map_err(|error| refused(&error))
}

fn refused(error: &ExplainError) -> Failure {
    error.problem().into()
}

/// The route first, then why, then what each world would do, then what happened.
fn lines(explanation: &Explanation, output: Output, words: Words) -> Vec<String> {
    let route = match explanation.route {
        RouteKind::Direct => words.text("cli_route_direct"),
        RouteKind::Refused => words.text("cli_route_refused"),
        RouteKind::Upstream => {
            let ways = explanation.ways.join(", ");
            words.with("cli_route_upstream", &[("upstream", &ways)])
        }
    };
    let mut lines = vec![
        output.tone(Tone::Heading, &explanation.url),
        format!("  {}", plain(&route)),
    ];
    for (key, value) in [
        ("cli_explain_reason", Some(words.said(&explanation.reason))),
        ("cli_explain_source", Some(words.said(&explanation.source))),
        ("cli_explain_credentials", explanation.credentials.clone()),
    ] {
        if let Some(value) = value {
            let line = words.with(key, &[("value", &value)]);
            lines.push(format!("  {}", plain(&line)));
        }
    }
    if !explanation.worlds.is_empty() {
        lines.push(output.tone(Tone::Heading, &words.text("cli_heading_worlds")));
    }
    for world in &explanation.worlds {
        let way = match world.way {
            WayKind::Relay => "cli_way_relay",
            WayKind::Intercepted => "cli_way_intercepted",
            WayKind::Direct => "cli_way_direct",
            WayKind::Other => "cli_way_other",
            WayKind::Absent => "cli_way_absent",
            WayKind::NotKnown => "cli_way_not_known",
        };
        let says = words.said(&world.says);
        let title = words.target(&world.target, &world.title);
        let line = format!("  {title}: {}: {says}", words.text(way));
        lines.push(plain(&line).into_owned());
    }
    if let Some(tried) = &explanation.tried {
        lines.push(output.tone(Tone::Heading, &words.text("cli_heading_tried")));
        let tone = if tried.reached { Tone::Good } else { Tone::Bad };
        let mark = if tried.reached { "✓" } else { "✗" };
        let says = words.said(&tried.says);
        lines.push(format!(
            "  {}",
            output.tone(tone, &format!("{mark} {says}"))
        ));
        if let Some(milliseconds) = tried.connected_ms {
            let args = [
                ("relay", tried.relay.as_str()),
                ("milliseconds", &milliseconds.to_string()),
            ];
            let line = words.with("cli_tried_connected", &args);
            lines.push(format!("  {}", output.tone(Tone::Quiet, &line)));
        }
    }
    lines
}
