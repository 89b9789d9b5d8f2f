//! The picture, made of what is known: pure.

use proxy_engine::control::{InterceptionState, Via};

use super::engine_link::Report;
use super::known::Known;
use crate::control::{
    ChainView, CredentialsState, EngineRuns, EngineView, PolicyKind, PolicyView, Problem,
    ProfileView, Said, Status, TargetView, UpstreamView,
};
use crate::settings::Mode;

/// The picture with these targets.
pub(super) fn status(
    known: &Known,
    report: &Report,
    targets: Vec<TargetView>,
    agent_pid: Option<u32>,
) -> Status {
    let engine = engine(report);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // A profile in whose network everything is direct is no switch.
        on: known.written.mode != Mode::Off,
        off_until: known.settings.off_until,
        profile: known
            .profile
            .clone()
            .map(|(name, by_hand)| ProfileView { name, by_hand }),
        profiles: { known.written.profiles.iter() }
            .map(|profile| profile.name.clone())
            .collect(),
        mode: known.settings.mode,
        style: known.settings.style,
        sources: known.decision.sources.clone(),
        policy: known.decision.view.clone(),
        notices: notices(known, report, &engine),
        engine,
        targets,
        agent_pid,
    }
}

/// The picture before the first look.
pub(super) fn unknown() -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        on: false,
        off_until: None,
        profile: None,
        profiles: Vec::new(),
        mode: Mode::default(),
        style: crate::settings::Style::default(),
        sources: Vec::new(),
        policy: PolicyView {
            kind: PolicyKind::Direct,
            upstreams: Vec::new(),
            bypass: Vec::new(),
            cause: Said::default(),
        },
        engine: nothing(EngineRuns::Absent),
        targets: Vec::new(),
        notices: Vec::new(),
        agent_pid: Some(std::process::id()),
    }
}

/// What a person should know or do, the most urgent first.
fn notices(known: &Known, report: &Report, engine: &EngineView) -> Vec<Problem> {
    let mut notices = Vec::new();
    // Else the decision says it.
    notices.extend(known.settings_problem.clone().filter(|_| known.was_read));
    notices.extend(no_such_profile(known));
    notices.extend(report.problem.clone());
    if engine.runs == EngineRuns::Stopped {
        notices.push(Problem::new(
            "engine_stopped",
            "the engine service is installed and does not answer: sudo systemctl restart gangway-engine, then look at journalctl -u gangway-engine",
        ));
    }
    notices.extend(known.decision.notices.iter().cloned());
    let of_script = report
        .status
        .as_ref()
        .and_then(|status| status.pac.as_ref());
    if let Some(problem) = of_script.and_then(|pac| pac.last_error.as_ref()) {
        notices.push(
            Problem::new("pac_no_answer", problem.message.clone()).with("reason", &problem.message),
        );
    }
    for upstream in &engine.upstreams {
        if upstream.credentials == CredentialsState::Missing {
            notices.push(
                Problem::new(
                    "password_missing",
                    format!(
                        "no password is known for {}: gangway login {}",
                        upstream.upstream, upstream.upstream
                    ),
                )
                .with("upstream", &upstream.upstream),
            );
        }
    }
    notices
}

/// A profile was chosen that is not there.
fn no_such_profile(known: &Known) -> Option<Problem> {
    let name = known.written.profile.as_deref()?;
    if known.written.profile_named(name).is_some() {
        return None;
    }
    let message = format!(
        "settings.toml chooses the profile `{name}` and has none of that name: `gangway profile auto`, or write it"
    );
    Some(Problem::new("profile_unknown", message).with("profile", name))
}

/// The engine as the agent sees it.
pub(super) fn engine(report: &Report) -> EngineView {
    let mut view = nothing(report.runs);
    let Some(status) = &report.status else {
        return view;
    };
    view.version.clone_from(&status.version);
    view.open_connections = status.connections.open;
    for listener in &status.listeners {
        match &listener.error {
            // The transparent one is nobody's to name: rules alone send traffic there.
            None if listener.via == Via::Explicit => {
                view.listening.push(listener.address.to_string());
            }
            None if listener.via == Via::Chained => {
                view.serves_engines.push(listener.address.to_string());
            }
            None => {}
            Some(error) => view.listen_errors.push(error.clone()),
        }
    }
    match &status.interception {
        InterceptionState::Off => {}
        InterceptionState::On { interception } => {
            let names: Vec<String> = interception
                .interfaces
                .iter()
                .map(ToString::to_string)
                .collect();
            view.intercepts = Said::new(
                "said_intercepted",
                &[
                    ("interfaces", &names.join(", ")),
                    ("ports", &interception.ports),
                ],
            );
        }
        InterceptionState::Failed { problem, .. } => {
            view.intercept_error = Some(problem.clone().into());
        }
    }
    view.decided_by = status.chain.as_ref().map(|chain| ChainView {
        engine: chain.engine.clone(),
        name: chain.name.clone(),
        problem: chain.last_error.clone().map(Problem::from),
    });
    view.upstreams = status
        .upstreams
        .iter()
        .map(|state| UpstreamView {
            upstream: state.upstream.to_string(),
            credentials: match (state.upstream.user(), state.credentials_lent) {
                (None, _) => CredentialsState::NotNeeded,
                (Some(_), true) => CredentialsState::Lent,
                (Some(_), false) => CredentialsState::Missing,
            },
            problem: state.last_error.clone().map(Problem::from),
            down: state.down,
        })
        .collect();
    view
}

fn nothing(runs: EngineRuns) -> EngineView {
    EngineView {
        runs,
        version: String::new(),
        listening: Vec::new(),
        listen_errors: Vec::new(),
        intercepts: Said::new("said_nothing", &[]),
        intercept_error: None,
        upstreams: Vec::new(),
        decided_by: None,
        serves_engines: Vec::new(),
        open_connections: 0,
    }
}
