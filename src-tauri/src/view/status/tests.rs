use proxy_mirror::control::{PolicyKind, Problem, Said, TargetView};
use proxy_mirror::target::{TargetId, TargetState as State};

use super::{Health, StatusPage, TargetState, health};
use crate::testing::{status, switched_off};

fn target(state: State) -> TargetView {
    TargetView {
        id: TargetId("docker-daemon".into()),
        title: "Docker daemon".into(),
        version: None,
        files: Vec::new(),
        desired: None,
        notes: Vec::new(),
        state,
    }
}

fn reason() -> Said {
    Said::verbatim("not restarted since")
}

#[test]
fn what_was_applied_and_does_not_hold_is_a_problem_and_what_was_not_applied_is_none() {
    let with = |state| {
        let mut status = status();
        status.targets.push(target(state));
        health(&status)
    };
    assert_eq!(
        with(State::NotInForce { reason: reason() }),
        Health::Problem
    );
    assert_eq!(with(State::Failed { reason: reason() }), Health::Problem);
    assert_eq!(with(State::Differs { reason: reason() }), Health::On);
    assert_eq!(with(State::Blocked { reason: reason() }), Health::On);
    assert_eq!(with(State::NotInstalled), Health::On);
}

#[test]
fn an_upstream_that_fails_and_a_refusing_policy_are_problems() {
    let mut failing = status();
    failing.engine.upstreams[0].problem = Some(Problem::new("upstream_down", "down"));
    assert_eq!(health(&failing), Health::Problem);
    let mut refusing = status();
    refusing.policy.kind = PolicyKind::Refused;
    assert_eq!(health(&refusing), Health::Problem);
}

#[test]
fn switched_off_nothing_is_a_problem() {
    let mut off = switched_off();
    off.targets
        .push(target(State::NotInForce { reason: reason() }));
    assert_eq!(health(&off), Health::Off);
}

#[test]
fn a_page_is_complete() {
    let mut status = status();
    status.targets.push(target(State::InForce {
        evidence: Said::verbatim("HttpProxy = http://127.0.0.1:3182"),
    }));
    status.engine.listen_errors = vec!["port 3182 is taken".into()];
    let page = StatusPage::from(status);
    let json = serde_json::to_string(&page).unwrap();
    assert!(!json.contains("null"), "{json}");
    assert_eq!(page.targets[0].state, TargetState::InForce);
    assert_eq!(
        page.targets[0].detail.english,
        "HttpProxy = http://127.0.0.1:3182"
    );
    assert_eq!(page.engine.problems[0].message, "port 3182 is taken");
}
