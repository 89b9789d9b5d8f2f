//! The status page: source → engine → each target.

use proxy_mirror::{control, source};
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Mode, Problem, Said, Style, same_cases};

/// The whole status page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StatusPage {
    /// Whether an agent answers; without one, the rest is empty but for `notices`, which say why.
    pub connected: bool,
    /// Version of the agent.
    pub version: String,
    /// Whether Gangway is on.
    pub on: bool,
    /// When it switches itself on again, in seconds since 1970; 0 where it does not.
    pub off_until: u32,
    /// Every profile, by name; empty where the settings have none.
    pub profiles: Vec<String>,
    /// The one that holds; empty where none does.
    pub profile: String,
    /// Whether the user chose it; else this machine is in its network.
    pub profile_by_hand: bool,
    /// The state in one word.
    pub health: Health,
    /// The chosen mode.
    pub mode: Mode,
    /// The chosen style.
    pub style: Style,
    /// In rank order.
    pub sources: Vec<SourceCard>,
    /// What follows from them.
    pub policy: PolicyCard,
    /// The engine.
    pub engine: EngineCard,
    /// Every target.
    pub targets: Vec<TargetCard>,
    /// What a person should know or do, the most urgent first.
    pub notices: Vec<Problem>,
    /// The proxy that asks for a password first; at most one.
    pub logins: Vec<LoginCard>,
}

/// A proxy that asks for a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LoginCard {
    /// `host:port`
    pub authority: String,
    /// Who the user is there; empty where that is not known.
    pub user: String,
    /// Whether a password was sent and refused.
    pub refused: bool,
}

impl From<control::LoginWanted> for LoginCard {
    fn from(wanted: control::LoginWanted) -> Self {
        Self {
            authority: wanted.authority,
            user: wanted.user,
            refused: wanted.refused,
        }
    }
}

/// The state in one word: the tray icon's shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Traffic goes where it should.
    On,
    /// Switched off: everything direct.
    #[default]
    Off,
    /// Switched on, and something does not work.
    Problem,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct SourceCard {
    /// Which.
    pub id: SourceId,
    /// Whether the policy follows it.
    pub chosen: bool,
    /// File and key.
    pub origin: Said,
    /// What it says, without secrets.
    pub says: Said,
    /// Why it could not be read; empty where it could.
    pub error: String,
}

/// Which source; see [`proxy_mirror::source::SourceId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum SourceId {
    /// The desktop's own settings.
    System,
    /// Environment variables.
    Environment,
    /// Files that set the variables for sessions.
    EnvironmentFiles,
    /// Firefox.
    Firefox,
    /// Google Chrome.
    Chrome,
    /// Microsoft Edge.
    Edge,
    /// Brave.
    Brave,
    /// Chromium.
    Chromium,
    /// What the user wrote.
    Manual,
}

/// The policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PolicyCard {
    /// The default route's kind.
    pub kind: PolicyKind,
    /// In order, without credentials.
    pub upstreams: Vec<String>,
    /// Directly dialled, beside the private ranges.
    pub bypass: Vec<String>,
    /// Why it is so.
    pub cause: Said,
}

/// The default route's kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// Everything direct.
    #[default]
    Direct,
    /// Through the upstreams.
    Upstreams,
    /// As a PAC script says for each URL.
    Pac,
    /// Refused, with the cause.
    Refused,
}

/// The engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct EngineCard {
    /// Where it runs.
    pub runs: EngineRuns,
    /// The relay's addresses that listen.
    pub listening: Vec<String>,
    /// What is intercepted, for people.
    pub intercepts: Said,
    /// Listeners and interception that failed.
    pub problems: Vec<Problem>,
    /// Each upstream's health.
    pub upstreams: Vec<UpstreamCard>,
    /// Open connections now.
    pub connections: u32,
}

/// Where the engine runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum EngineRuns {
    /// As the system's service.
    Service,
    /// Inside the agent.
    Embedded,
    /// Installed, and does not answer.
    Stopped,
    /// There is none.
    #[default]
    Absent,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct UpstreamCard {
    /// `http://proxy.corp:3128`
    pub upstream: String,
    /// Whether its credentials are there.
    pub credentials: Credentials,
    /// Why the last connection through it failed; at most one.
    pub problems: Vec<Problem>,
}

/// Credentials of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// None are configured.
    NotNeeded,
    /// The engine has them in memory.
    Lent,
    /// The engine has no password.
    Missing,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct TargetCard {
    /// `docker-daemon`
    pub id: String,
    /// `Docker daemon`
    pub title: String,
    /// `26.1.5`; empty where it has none.
    pub version: String,
    /// The files it reads its settings from.
    pub files: Vec<String>,
    /// What it should be told; empty where nothing.
    pub desired: String,
    /// Whether that is so.
    pub state: TargetState,
    /// What it said, or why not; empty where the state says it all.
    pub detail: Said,
}

/// Whether what should be in force is; see [`proxy_mirror::target::TargetState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum TargetState {
    /// Not on this machine.
    NotInstalled,
    /// Nothing of ours is asked of it.
    Untouched,
    /// It says what it should.
    InForce,
    /// Differs from what it should be.
    Differs,
    /// The file says so, the running thing does not.
    NotInForce,
    /// Could not be asked.
    Failed,
    /// Something is missing first.
    Blocked,
}

same_cases!(SourceId, source::SourceId: System, Environment, EnvironmentFiles, Firefox, Chrome, Edge, Brave, Chromium, Manual);
same_cases!(PolicyKind, control::PolicyKind: Direct, Upstreams, Pac, Refused);
same_cases!(EngineRuns, control::EngineRuns: Service, Embedded, Stopped, Absent);
same_cases!(Credentials, control::CredentialsState: NotNeeded, Lent, Missing);

/// The state in one word. Settings that are not applied yet are the user's own pace and no problem;
/// what was applied and does not hold is one.
pub fn health(status: &control::Status) -> Health {
    use proxy_mirror::target::TargetState as State;
    if !status.on {
        return Health::Off;
    }
    let engine = &status.engine;
    let failed = status.policy.kind == control::PolicyKind::Refused
        || engine.runs == control::EngineRuns::Stopped
        || !engine.listen_errors.is_empty()
        || engine.intercept_error.is_some()
        || engine.upstreams.iter().any(|u| u.problem.is_some())
        || engine
            .decided_by
            .iter()
            .any(|chain| chain.problem.is_some())
        || status
            .targets
            .iter()
            .any(|t| matches!(t.state, State::NotInForce { .. } | State::Failed { .. }));
    if failed { Health::Problem } else { Health::On }
}

impl From<control::Status> for StatusPage {
    fn from(mut status: control::Status) -> Self {
        for target in &mut status.targets {
            status.notices.append(&mut target.notes);
        }
        Self {
            logins: status.login_wanted().into_iter().map(Into::into).collect(),
            connected: true,
            health: health(&status),
            version: status.version,
            on: status.on,
            off_until: status
                .off_until
                .and_then(|until| u32::try_from(until).ok())
                .unwrap_or_default(),
            profile_by_hand: { status.profile.as_ref() }.is_some_and(|holds| holds.by_hand),
            profile: status.profile.map(|holds| holds.name).unwrap_or_default(),
            profiles: status.profiles,
            mode: status.mode.into(),
            style: status.style.into(),
            sources: status.sources.into_iter().map(Into::into).collect(),
            policy: PolicyCard {
                kind: status.policy.kind.into(),
                upstreams: status.policy.upstreams,
                bypass: status.policy.bypass,
                cause: status.policy.cause.into(),
            },
            engine: status.engine.into(),
            targets: status.targets.into_iter().map(Into::into).collect(),
            notices: status.notices.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<control::SourceView> for SourceCard {
    fn from(view: control::SourceView) -> Self {
        Self {
            id: view.source.into(),
            chosen: view.chosen,
            origin: view.origin.into(),
            says: view.says.into(),
            error: view.error.unwrap_or_default(),
        }
    }
}

impl From<control::EngineView> for EngineCard {
    fn from(view: control::EngineView) -> Self {
        let listeners = view
            .listen_errors
            .into_iter()
            .map(|error| control::Problem::new("listen", error.clone()).with("error", error));
        Self {
            runs: view.runs.into(),
            listening: view.listening,
            intercepts: view.intercepts.into(),
            problems: listeners
                .chain(view.intercept_error)
                .chain(view.decided_by.and_then(|chain| chain.problem))
                .map(Into::into)
                .collect(),
            upstreams: view.upstreams.into_iter().map(Into::into).collect(),
            // JavaScript's numbers hold no u64, and nobody has four billion connections.
            connections: u32::try_from(view.open_connections).unwrap_or(u32::MAX),
        }
    }
}

impl From<control::UpstreamView> for UpstreamCard {
    fn from(view: control::UpstreamView) -> Self {
        Self {
            upstream: view.upstream,
            credentials: view.credentials.into(),
            problems: view.problem.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<control::TargetView> for TargetCard {
    fn from(view: control::TargetView) -> Self {
        use proxy_mirror::target::TargetState as State;
        let (state, detail) = match view.state {
            State::NotInstalled => (TargetState::NotInstalled, control::Said::default()),
            State::Untouched => (TargetState::Untouched, control::Said::default()),
            State::InForce { evidence } => (TargetState::InForce, evidence),
            State::Differs { reason } => (TargetState::Differs, reason),
            State::NotInForce { reason } => (TargetState::NotInForce, reason),
            State::Failed { reason } => (TargetState::Failed, reason),
            State::Blocked { reason } => (TargetState::Blocked, reason),
        };
        Self {
            id: view.id.0,
            title: view.title,
            version: view.version.unwrap_or_default(),
            files: view.files,
            desired: view.desired.unwrap_or_default(),
            state,
            detail: detail.into(),
        }
    }
}

#[cfg(test)]
mod tests;
