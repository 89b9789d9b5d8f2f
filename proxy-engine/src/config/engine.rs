//! What an engine is told at its start, validated.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Access, Chain, Limits, Netns, Policy};
use crate::pac::worker::Program;
use crate::relay::IdleLimit;

/// The configuration of one engine. [`crate::engine::Engine::start`] takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineConfig {
    /// Explicit listeners. More of them may come with a policy.
    pub listen: Vec<SocketAddr>,
    /// Transparent listeners; rules send intercepted traffic to the port of the first.
    pub transparent: Vec<SocketAddr>,
    /// Engines before and behind this one.
    pub chain: Chain,
    /// The policy to start with. `None`: the last one in [`EngineConfig::state`], else all direct.
    pub policy: Option<Policy>,
    /// Where the control API listens; `None`: nowhere (the engine is embedded).
    pub control: Option<PathBuf>,
    /// The group whose members may speak there beside root and this process's user.
    pub control_group: Option<String>,
    /// Where metrics are served to Prometheus over TCP, to whoever can reach it; `None`: on the
    /// control socket alone.
    pub metrics: Option<SocketAddr>,
    /// A folder that keeps the last policy, without secrets; `None`: it is not kept.
    pub state: Option<PathBuf>,
    /// Who sets the firewall rules.
    pub intercept_by: InterceptBy,
    /// The network namespace in which rules and transparent listeners are (a cluster node's);
    /// `None`: that of whoever sets the rules. The engine itself stays where it is.
    pub netns: Option<Netns>,
    /// A file with certificates that upstreams may be vouched for by, beside those of the system.
    pub upstream_ca: Option<PathBuf>,
    /// How much one HTTP message may cost.
    pub limits: Limits,
    /// What clients may do.
    pub access: Access,
    /// Which program runs PAC scripts.
    pub pac_program: Program,
    /// How long a tunnel or an exchange may be silent in both directions.
    pub idle_limit: IdleLimit,
}

/// Who sets the firewall rules that a policy asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum InterceptBy {
    /// Nobody: a policy that asks for interception shows it as failed.
    #[default]
    Nobody,
    /// The broker behind this socket.
    Broker(PathBuf),
    /// This process, which holds `CAP_NET_ADMIN`. With `drop_capabilities` it gives every
    /// capability back once the first rules are set; they stay, but can no longer change.
    ThisProcess {
        /// Whether capabilities are given back.
        drop_capabilities: bool,
    },
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
