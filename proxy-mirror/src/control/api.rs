//! The words of the API. Every type here is complete (a page never meets an `Option` that it has to
//! interpret, but where "none" is an answer of its own) and has a JSON schema in `schemas/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::{Mode, Style};
use crate::source::SourceId;
use crate::target::{TargetId, TargetState};

/// The whole picture: source → engine → each target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// Whether Gangway is on (a mode other than `off`).
    pub on: bool,
    /// When it switches itself on again, in seconds since 1970; `None` where it does not.
    #[serde(default)]
    pub off_until: Option<u64>,
    /// The profile that holds; `None` where none does.
    #[serde(default)]
    pub profile: Option<ProfileView>,
    /// Every profile of the settings, by name.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The chosen mode.
    pub mode: Mode,
    /// The chosen style.
    pub style: Style,
    /// Every source, in rank order.
    pub sources: Vec<SourceView>,
    /// What follows from them.
    pub policy: PolicyView,
    /// The engine.
    pub engine: EngineView,
    /// Every target.
    pub targets: Vec<TargetView>,
    /// What a person should know or do, the most urgent first.
    pub notices: Vec<Problem>,
    /// The agent that answered: `None` when no agent runs and the command looked by itself.
    pub agent_pid: Option<u32>,
}

/// The profile that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileView {
    /// Its name.
    pub name: String,
    /// Whether the user chose it; else this machine is in its network.
    pub by_hand: bool,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// Which.
    pub source: SourceId,
    /// Whether the policy follows it.
    pub chosen: bool,
    /// File and key.
    pub origin: Said,
    /// What it says, for people, without secrets: `http://proxy.corp:3128`, `no proxy`, `nothing`.
    pub says: Said,
    /// Why it could not be read; its last good reading stands.
    pub error: Option<String>,
}

/// The policy, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyView {
    /// `direct`, `upstreams`, `pac` or `refused`.
    pub kind: PolicyKind,
    /// The upstreams in order, without credentials.
    pub upstreams: Vec<String>,
    /// Directly dialled, beside the private ranges.
    pub bypass: Vec<String>,
    /// Why it is so.
    pub cause: Said,
}

/// The default route's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// Everything direct.
    Direct,
    /// Through the upstreams.
    Upstreams,
    /// As a PAC script says for each URL.
    Pac,
    /// Refused, with the cause.
    Refused,
}

/// The engine as the agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineView {
    /// Where it runs.
    pub runs: EngineRuns,
    /// Its version; empty where it says nothing.
    pub version: String,
    /// The relay's addresses that listen.
    pub listening: Vec<String>,
    /// Listeners that could not be opened, each in one sentence.
    pub listen_errors: Vec<String>,
    /// What is intercepted, for people: `docker0, br-1a2b (ports 80,443)`, or `nothing`.
    pub intercepts: Said,
    /// Why interception failed.
    pub intercept_error: Option<Problem>,
    /// Each upstream's health.
    pub upstreams: Vec<UpstreamView>,
    /// The engine that decides for this one; `None`: it decides itself.
    pub decided_by: Option<ChainView>,
    /// Where other engines pass their connections on to it.
    pub serves_engines: Vec<String>,
    /// Open connections now.
    pub open_connections: u64,
}

/// The engine that decides for another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainView {
    /// Where it is: `192.0.2.1:3184`.
    pub engine: String,
    /// The name under which it knows the other one.
    pub name: String,
    /// Why the last connection was not passed on.
    pub problem: Option<Problem>,
}

/// Where the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineRuns {
    /// As the system's service.
    Service,
    /// Inside the agent, as long as the agent.
    Embedded,
    /// The service is installed and does not answer.
    Stopped,
    /// There is none.
    Absent,
}

/// The engine's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceView {
    /// Whether it is there, and answers.
    pub service: Service,
    /// Its control socket.
    pub socket: String,
    /// What it says; empty where it says nothing.
    pub engine: EngineView,
}

/// Whether the engine's service is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// It is not installed.
    Absent,
    /// It is installed and does not answer.
    Stopped,
    /// It answers.
    Running,
}

/// One upstream's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamView {
    /// `http://proxy.corp:3128`
    pub upstream: String,
    /// Whether it asks for credentials that we know of, and whether they are lent.
    pub credentials: CredentialsState,
    /// Why the last connection through it failed.
    pub problem: Option<Problem>,
    /// Whether it could not be had, and is left alone until it can be: the next one serves
    /// meanwhile.
    pub down: bool,
}

/// Credentials of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsState {
    /// None are configured.
    NotNeeded,
    /// The engine has them in memory.
    Lent,
    /// A user is configured, and the engine has no password.
    Missing,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetView {
    /// Which.
    pub id: TargetId,
    /// For people: `Docker daemon`.
    pub title: String,
    /// Version, where there is one: `26.1.5`.
    pub version: Option<String>,
    /// The files it reads its settings from.
    pub files: Vec<String>,
    /// What it should be told: `http://127.0.0.1:3182`.
    pub desired: Option<String>,
    /// Exceptions that mean less or more there than they do here.
    pub notes: Vec<Problem>,
    /// Whether that is so.
    #[serde(flatten)]
    pub state: TargetState,
}

/// The ordered list of changes, as a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Names exactly this plan: `apply` refuses when the machine has changed since.
    pub id: String,
    /// Steps in order; empty when everything is as it should be.
    pub steps: Vec<PlanStep>,
    /// Targets for which there is no step, because a file of theirs cannot be changed.
    pub refused: Vec<RefusedTarget>,
    /// Exceptions that would mean less or more in a target than they do here.
    pub notes: Vec<Problem>,
    /// All files of all steps as one unified diff that `patch -p1 -d /` accepts.
    pub diff: String,
    /// Whether a step needs root and the agent is not.
    pub needs_root: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanStep {
    /// Whose.
    pub target: TargetId,
    /// What will be done.
    pub what: Said,
    /// What undo will do.
    pub undo: Said,
    /// Whether it restarts something (and what that does to running containers).
    pub restarts: Option<Said>,
}

/// A target that stays as it is: nothing of it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedTarget {
    /// Which.
    pub target: TargetId,
    /// Why: for a file that cannot be understood, with line and column.
    pub problem: Problem,
}

/// Carry out the plan that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApplyRequest {
    /// [`Plan::id`].
    pub plan: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// The steps that were carried out, in order.
    pub done: Vec<PlanStep>,
    /// Targets for which nothing was done.
    pub refused: Vec<RefusedTarget>,
    /// The targets afterwards, each asked.
    pub targets: Vec<TargetView>,
}

/// What was given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undone {
    /// Files that are again what they were, byte for byte.
    pub restored: Vec<String>,
    /// Files that were not there before and are gone.
    pub removed: Vec<String>,
    /// Files that somebody else changed since: ours was taken out, theirs was kept.
    pub merged: Vec<String>,
    /// Units that were restarted.
    pub restarted: Vec<String>,
    /// Units that had been restarted for these files and do not run any more, or are not even there:
    /// nothing was left to restart.
    pub not_running: Vec<String>,
}

/// What `gangway demo` showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Demonstration {
    /// Whether every step went as it should.
    pub ok: bool,
    /// Who wanted to get out.
    pub client: DemoClient,
    /// The steps in order.
    pub steps: Vec<DemoStep>,
    /// Seconds it took.
    pub seconds: f64,
}

/// Who wants to get out and knows no proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DemoClient {
    /// A container of this machine's Docker.
    Container,
    /// A network namespace behind a bridge, as a container runtime makes it.
    Namespace,
}

/// One step of the demo, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DemoStep {
    /// What was tried.
    pub title: String,
    /// Whether it came out as it should (which can be a failure).
    pub ok: bool,
    /// What was seen, a line each.
    pub seen: Vec<String>,
}

/// A sentence for people, or a part of one: a text of the message catalogue with its arguments, and
/// the same in English, for scripts and logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The key in the message catalogue; empty for what others than Gangway say: it is the same in
    /// every language.
    pub key: String,
    /// Arguments of the text, by name.
    pub args: std::collections::BTreeMap<String, String>,
    /// In English.
    pub english: String,
}

/// An error or a notice: a stable code with arguments for the message catalogue, and the English
/// sentence for logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// Stable, `snake_case`; the key in the message catalogue, prefixed there with `problem_`.
    pub code: String,
    /// What happened, where, and what to do.
    pub message: String,
    /// Arguments of the message, by name.
    pub args: std::collections::BTreeMap<String, String>,
}
