//! A status and an agent to test against.

use std::sync::{Arc, Mutex};

use proxy_mirror::control::{
    Applied, ApplyRequest, CredentialsState, Door, EngineRuns, EngineView, Examination,
    Explanation, ManagedView, Plan, PolicyKind, PolicyView, Problem, Said, SettingsChange,
    SettingsView, Status, StoreCredentials, Undone, UpstreamView,
};
use proxy_mirror::settings::{Mode, Style};
use proxy_mirror::target::TargetId;

/// A machine on which all is well.
pub(crate) fn status() -> Status {
    let upstream = "http://proxy.corp.example:3128".to_owned();
    Status {
        version: "0.1.0".into(),
        on: true,
        off_until: None,
        profile: None,
        profiles: Vec::new(),
        mode: Mode::System,
        style: Style::Relay,
        sources: Vec::new(),
        policy: PolicyView {
            kind: PolicyKind::Upstreams,
            upstreams: vec![upstream.clone()],
            bypass: Vec::new(),
            cause: Said::verbatim("the environment says so"),
        },
        engine: EngineView {
            runs: EngineRuns::Service,
            version: env!("CARGO_PKG_VERSION").into(),
            listening: vec!["127.0.0.1:3182".into()],
            listen_errors: Vec::new(),
            intercepts: Said::new("said_nothing", &[]),
            intercept_error: None,
            upstreams: vec![UpstreamView {
                upstream,
                credentials: CredentialsState::NotNeeded,
                problem: None,
                down: false,
            }],
            decided_by: None,
            serves_engines: Vec::new(),
            open_connections: 0,
        },
        targets: Vec::new(),
        notices: Vec::new(),
        agent_pid: Some(1),
    }
}

/// The same, with this problem of the proxy.
pub(crate) fn asking(code: &str) -> Status {
    let mut status = status();
    status.engine.upstreams[0].problem = Some(Problem::new(code, "the proxy asks"));
    status
}

/// The same, switched off.
pub(crate) fn switched_off() -> Status {
    let mut status = status();
    status.on = false;
    status.mode = Mode::Off;
    status.policy.kind = PolicyKind::Direct;
    status.policy.upstreams.clear();
    status
}

/// Remembers what it was asked, and refuses on demand.
#[derive(Clone, Default)]
pub(crate) struct FakeAgent {
    pub changes: Arc<Mutex<Vec<SettingsChange>>>,
    pub refuses: Option<Problem>,
}

impl Door for FakeAgent {
    async fn status(&self) -> Result<Status, Problem> {
        Ok(status())
    }

    async fn change_settings(&self, change: SettingsChange) -> Result<SettingsView, Problem> {
        if let Some(problem) = &self.refuses {
            return Err(problem.clone());
        }
        self.changes.lock().unwrap().push(change);
        self.settings().await
    }

    async fn settings(&self) -> Result<SettingsView, Problem> {
        Ok(SettingsView {
            file: "settings.toml".into(),
            mode: Mode::System,
            style: Style::Relay,
            upstream: String::new(),
            fallbacks: Vec::new(),
            upstream_ca: String::new(),
            tickets: Vec::new(),
            rules: Vec::new(),
            pac: String::new(),
            pac_unavailable: proxy_mirror::settings::PacUnavailable::default(),
            bypass: Vec::new(),
            leave_alone: Vec::new(),
            live_restore: false,
            restart_swarm: false,
            recreate_builders: false,
            managed: ManagedView::default(),
            password_stored: false,
        })
    }

    async fn examine(&self) -> Result<Examination, Problem> {
        Err(not_asked())
    }

    async fn plan(&self) -> Result<Plan, Problem> {
        Err(not_asked())
    }

    async fn apply(&self, _: ApplyRequest) -> Result<Applied, Problem> {
        Err(not_asked())
    }

    async fn undo(&self, _: Option<&TargetId>) -> Result<Undone, Problem> {
        Err(not_asked())
    }

    async fn explain(&self, _: &str) -> Result<Explanation, Problem> {
        Err(not_asked())
    }

    async fn store_credentials(&self, _: StoreCredentials) -> Result<(), Problem> {
        Err(not_asked())
    }

    async fn forget_credentials(&self, _: &str) -> Result<(), Problem> {
        Err(not_asked())
    }
}

fn not_asked() -> Problem {
    Problem::new("not_asked", "the test does not ask this")
}
