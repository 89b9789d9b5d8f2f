//! The words of `gangway explain`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Said;
use crate::target::TargetId;

/// What would happen to one URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The URL as it was understood.
    pub url: String,
    /// `direct`, `upstream` or `refused`.
    pub route: RouteKind,
    /// The upstream; the first of several; `None` for the other routes.
    pub upstream: Option<String>,
    /// Every way in its order, the first that can be had is taken: `http://proxy.corp:3128`,
    /// `direct`. Empty where it is refused.
    pub ways: Vec<String>,
    /// The rule that decided.
    pub reason: Said,
    /// The source that the rule came from.
    pub source: Said,
    /// Name of the credentials that would be used: `user@host:port`.
    pub credentials: Option<String>,
    /// What each world would do with it; empty for a policy that is not in force.
    pub worlds: Vec<WorldWay>,
    /// What happened when it was tried; `None` where that was not asked for.
    pub tried: Option<Tried>,
}

/// What a world's programs would do with a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorldWay {
    /// The target that tells them: `docker-daemon`, `docker-cli`, `clusters`, `wsl:Ubuntu/profile`.
    pub target: TargetId,
    /// For people: `Docker daemon`.
    pub title: String,
    /// In one word.
    pub way: WayKind,
    /// In one sentence, with the setting that decides.
    pub says: Said,
}

/// The way that a world's programs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WayKind {
    /// They ask the engine, which takes the route that was explained.
    Relay,
    /// They know no proxy, and the engine intercepts them: the same route.
    Intercepted,
    /// They dial it themselves.
    Direct,
    /// They ask a proxy that is not Gangway.
    Other,
    /// There are none on this machine.
    Absent,
    /// What they are told could not be asked.
    NotKnown,
}

/// A try through the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// The engine's address that was asked.
    pub relay: String,
    /// Whether the destination was reached: a tunnel stands, or it answered.
    pub reached: bool,
    /// The HTTP status; `None` where there was no answer.
    pub status: Option<u16>,
    /// Milliseconds until the engine took the connection.
    pub connected_ms: Option<u64>,
    /// Milliseconds from there to the answer.
    pub answered_ms: Option<u64>,
    /// What happened, in one sentence.
    pub says: Said,
}

/// The way a URL would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    /// Dialled directly.
    Direct,
    /// Through an upstream.
    Upstream,
    /// Refused.
    Refused,
}
