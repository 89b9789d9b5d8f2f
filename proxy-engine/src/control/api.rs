//! The words of the API, shared by the server and its clients.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Who;
use crate::config::{Interception, Policy, Upstream, Way};
use crate::route::Route;

/// What the engine is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The engine's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Whether it is ending: it takes no new connections, and the live ones end one by one.
    #[serde(default)]
    pub draining: bool,
    /// The policy in force; of a PAC script it says only how long it is.
    pub policy: Policy,
    /// The PAC script, where one decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pac: Option<PacState>,
    /// Every listener, and whether it could be opened.
    pub listeners: Vec<ListenerState>,
    /// Each upstream of the policy, in its order, and those that its script has named.
    pub upstreams: Vec<UpstreamState>,
    /// The engine that decides for this one; `None`: this one decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainState>,
    /// Interception as it is in force, not as it was asked for.
    pub interception: InterceptionState,
    /// Who is attached: the agent's user, `None` when nobody is.
    pub attached: Option<String>,
    /// Connections by what became of them.
    pub connections: ConnectionCounts,
}

/// One listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerState {
    /// Where it listens.
    pub address: SocketAddr,
    /// What comes in there.
    pub via: Via,
    /// Why it does not listen, in one sentence that names the holder of the port where it is known;
    /// or why it takes no connection at the moment.
    pub error: Option<String>,
}

/// How a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The client knows that it speaks to a proxy.
    Explicit,
    /// The client believes that it speaks to where it was going.
    Transparent,
    /// Another engine passes it on.
    Chained,
}

/// What is known of the engine that decides for this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    /// `host:port` of it.
    pub engine: String,
    /// The name that this engine's key is filed under there.
    pub name: String,
    /// Why the last connection was not passed on; `None` after one that was, or before any.
    pub last_error: Option<Problem>,
}

/// What is known of the PAC script that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacState {
    /// Its length in bytes.
    pub bytes: usize,
    /// Why the last question was not answered; `None` after one that was, or before any.
    pub last_error: Option<Problem>,
}

/// Where a connection came from that another engine passed on, as that engine says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainedFrom {
    /// The name of the engine, which it proved.
    pub engine: String,
    /// The client's end of its connection to the first engine: an address of that world.
    pub client: SocketAddr,
    /// What the engines on the way call themselves, the first one first.
    pub path: Vec<String>,
}

/// What is known of one upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamState {
    /// The upstream.
    pub upstream: Upstream,
    /// Whether credentials for it are lent at the moment.
    pub credentials_lent: bool,
    /// Why the last connection through it failed; `None` after one that succeeded, or before any.
    pub last_error: Option<Problem>,
    /// Whether it could not be had and is left alone for a while: another one serves meanwhile,
    /// where there is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
}

/// Interception in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum InterceptionState {
    /// Nothing is intercepted.
    Off,
    /// Rules are in force.
    On {
        /// What they cover.
        interception: Interception,
    },
    /// It was asked for and could not be had.
    Failed {
        /// What was asked for.
        interception: Interception,
        /// Why, and what to do.
        problem: Problem,
    },
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// Open now.
    pub open: u64,
    /// Ended well, or still open.
    pub accepted: u64,
    /// Ended because no route could be had.
    pub failed: u64,
    /// Refused before a route was asked for: a client from elsewhere, a direct hit, a framing attack.
    pub refused: u64,
}

/// One live (or just ended) connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Unique while the engine lives.
    pub id: u64,
    /// Who connected.
    pub client: SocketAddr,
    /// Whose that is, as far as it is known: a process of this machine, a container.
    #[serde(default)]
    pub who: Option<Who>,
    /// How it came in.
    pub via: Via,
    /// Our end of it: the listener's address that the client reached.
    #[serde(default)]
    pub local: Option<SocketAddr>,
    /// Where it was going, as the firewall remembers it (of the first engine, on a chained one);
    /// `None` on explicit connections.
    pub original_dst: Option<SocketAddr>,
    /// The engine and the client that it came from; then [`Connection::client`] is that engine's
    /// end. `None` unless it is chained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chained: Option<ChainedFrom>,
    /// `host:port` as the client named it (CONNECT line, absolute form, server name, `Host`).
    pub name: Option<String>,
    /// The way it went; `None` while undecided.
    pub route: Option<RouteTaken>,
    /// The address at the other end of our own connection: of the origin, of the upstream, or
    /// of the engine that decides. `None` before there is one.
    #[serde(default)]
    pub dialled: Option<SocketAddr>,
    /// Bytes from the client.
    pub bytes_up: u64,
    /// Bytes to the client.
    pub bytes_down: u64,
    /// Milliseconds since 1970 when it was accepted.
    pub started_ms: u64,
    /// Milliseconds since 1970 when it ended; `None` while it lives.
    pub ended_ms: Option<u64>,
    /// Why it failed.
    pub error: Option<Problem>,
}

impl Via {
    /// As it is written in the API, in metrics and in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Transparent => "transparent",
            Self::Chained => "chained",
        }
    }
}

/// What happened to a connection. It is shown as it is when its turn comes: one that ended meanwhile
/// says so in its first event already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It came in.
    Opened(Connection),
    /// Its way is known, or more of it: the upstream that was taken, the address that was dialled.
    Routed(Connection),
    /// It ended.
    Ended(Connection),
    /// Events that are gone because they were not read in time.
    Lost(Lost),
}

/// What a slow listener did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many events.
    pub events: u64,
}

/// The way a connection went, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RouteTaken {
    /// Dialled directly.
    Direct {
        /// The rule that decided: `private network`, `bypass .corp.example`, `no proxy is set`.
        reason: String,
    },
    /// Through an upstream.
    Upstream {
        /// Which.
        upstream: Upstream,
        /// The rule that decided.
        reason: String,
    },
    /// Refused.
    Refused {
        /// Why.
        reason: String,
    },
    /// Passed on to the engine that decides.
    Chained {
        /// `host:port` of it.
        engine: String,
    },
}

impl std::fmt::Display for RouteTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Direct { reason } => write!(f, "direct ({reason})"),
            Self::Upstream { upstream, reason } => {
                write!(f, "through {} ({reason})", upstream.authority())
            }
            Self::Refused { reason } => write!(f, "refused ({reason})"),
            Self::Chained { engine } => write!(f, "passed on to {engine}"),
        }
    }
}

/// The route before one of several ways is chosen.
impl From<&Route> for RouteTaken {
    fn from(route: &Route) -> Self {
        match route {
            Route::Direct { reason } => Self::Direct {
                reason: reason.clone(),
            },
            Route::Upstreams { ways, reason } => match ways.first() {
                Some(Way::Upstream(upstream)) => Self::Upstream {
                    upstream: upstream.clone(),
                    reason: reason.clone(),
                },
                Some(Way::Direct) | None => Self::Direct {
                    reason: reason.clone(),
                },
            },
            Route::Refused { reason } => Self::Refused {
                reason: reason.clone(),
            },
        }
    }
}

/// An error for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, `snake_case`: `upstream_unreachable`, `credentials_not_lent`, `credentials_refused`,
    /// `connect_refused`, `upstream_timeout`, `origin_unreachable`, `port_in_use`, …
    pub code: String,
    /// What happened, where, and what to do; English, one line, no secret.
    pub message: String,
}

/// The first event of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Unguessable; names this attachment in later requests.
    pub lease: String,
}

/// Credentials lent for one upstream. They live in memory, as long as the lease.
#[derive(Clone, Serialize, Deserialize)]
pub struct LentCredentials {
    /// The attachment's lease.
    pub lease: String,
    /// [`Upstream::authority`] of the only host that they may be sent to.
    pub authority: String,
    /// User name.
    pub user: String,
    /// Password: any characters.
    pub password: String,
    /// The user has just given them, or said that they are good again: they are tried once more
    /// though they were refused.
    #[serde(default)]
    pub anew: bool,
}

impl std::fmt::Debug for LentCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LentCredentials")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}
