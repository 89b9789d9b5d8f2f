//! What the agent's picture says already: sources, engine, targets.

use crate::control::{EngineRuns, Finding, Fix, Said, Status, Verdict};
use crate::settings::Mode;
use crate::target::TargetState;

/// The source that is followed, and those that could not be read.
pub(super) fn sources(status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &status.sources {
        let subject = source.origin.english.clone();
        if let Some(error) = &source.error {
            findings.push(Finding::of(
                Verdict::Warn,
                "source",
                subject,
                Said::new("said_doctor_source_unread", &[("error", error)]),
                Said::new("said_doctor_source_remedy", &[]),
            ));
        } else if source.chosen {
            let what = Said::new("said_doctor_source", &[("says", &source.says)]);
            findings.push(Finding::good("source", subject, what));
        }
    }
    if findings.is_empty() {
        let what = match status.mode {
            Mode::Off => Said::new("said_doctor_off", &[]),
            Mode::System | Mode::Manual | Mode::Pac => status.policy.cause.clone(),
        };
        findings.push(Finding::good("source", "", what));
    }
    findings
}

/// Whether the engine runs and listens.
pub(super) fn engine(status: &Status) -> Vec<Finding> {
    let engine = &status.engine;
    let mut findings = Vec::new();
    match engine.runs {
        EngineRuns::Service | EngineRuns::Embedded => {
            let listening = engine.listening.join(", ");
            if !listening.is_empty() {
                let what = Said::new("said_doctor_engine", &[("addresses", &listening)]);
                findings.push(Finding::good("engine", "", what));
            }
        }
        EngineRuns::Stopped => findings.push(Finding::of(
            Verdict::Bad,
            "engine",
            "gangway-engine.service",
            Said::new("said_doctor_engine_stopped", &[]),
            Said::new("said_doctor_engine_stopped_remedy", &[]),
        )),
        EngineRuns::Absent => findings.push(
            Finding::of(
                Verdict::Warn,
                "engine",
                "",
                Said::new("said_doctor_engine_absent", &[]),
                Said::new("said_doctor_engine_absent_remedy", &[]),
            )
            .fixed_by(Fix::InstallEngine),
        ),
    }
    for error in &engine.listen_errors {
        findings.push(Finding::of(
            Verdict::Bad,
            "engine_port",
            "",
            Said::verbatim(error),
            Said::new("said_doctor_port_remedy", &[]),
        ));
    }
    if let Some(problem) = &engine.intercept_error {
        findings.push(Finding::of(
            Verdict::Bad,
            "interception",
            "",
            Said::from(problem.clone()),
            Said::new("said_doctor_interception_remedy", &[]),
        ));
    }
    for upstream in &engine.upstreams {
        if let Some(problem) = &upstream.problem {
            findings.push(Finding::of(
                Verdict::Bad,
                "upstream_use",
                &upstream.upstream,
                Said::from(problem.clone()),
                Said::new(
                    "said_doctor_upstream_use_remedy",
                    &[("upstream", &upstream.upstream)],
                ),
            ));
        }
    }
    findings
}

/// What the agent notices by itself: no password, no PAC script, dropped hand-shakes.
pub(super) fn notices(status: &Status) -> Vec<Finding> {
    let notices = status.notices.iter();
    notices
        // The engine's state stands above already.
        .filter(|notice| notice.code != "engine_stopped")
        .map(|notice| {
            Finding::of(
                Verdict::Warn,
                "notice",
                "",
                Said::from(notice.clone()),
                // The sentence itself says what to do.
                Said::default(),
            )
        })
        .collect()
}

/// Whether each target is told what it should be.
pub(super) fn targets(status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    for target in &status.targets {
        let of = |verdict, reason: &Said, remedy: &str| {
            Finding::of(
                verdict,
                "target",
                &target.title,
                reason.clone(),
                Said::new(remedy, &[]),
            )
        };
        match &target.state {
            TargetState::NotInstalled | TargetState::Untouched => {}
            TargetState::InForce { evidence } => {
                findings.push(Finding::good("target", &target.title, evidence.clone()));
            }
            TargetState::Differs { reason } | TargetState::NotInForce { reason } => findings
                .push(of(Verdict::Warn, reason, "said_doctor_apply_remedy").fixed_by(Fix::Apply)),
            TargetState::Failed { reason } => {
                findings.push(of(Verdict::Bad, reason, "said_doctor_target_remedy"));
            }
            TargetState::Blocked { reason } => {
                findings.push(of(Verdict::Warn, reason, "said_doctor_target_remedy"));
            }
        }
    }
    findings
}
