//! Connections as commands show them.

use proxy_engine::control::{ChainedFrom, Connection, RouteTaken, Who};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;

/// The engine's connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionList {
    /// The live ones by age, then the ones that ended last, newest first.
    pub connections: Vec<ConnectionView>,
}

/// Something that happened to a connection. It is shown as it is when it is told: one that ended
/// meanwhile says so in its first event already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum ConnectionHappening {
    /// It came in.
    Opened {
        /// Which.
        connection: ConnectionView,
    },
    /// Its way is known, or more of it.
    Routed {
        /// Which.
        connection: ConnectionView,
    },
    /// It ended.
    Ended {
        /// Which.
        connection: ConnectionView,
    },
    /// Events that are gone because they were not read in time.
    Lost {
        /// How many.
        events: u64,
    },
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionView {
    /// Unique while the engine lives.
    pub id: u64,
    /// The client's address: `127.0.0.1:40312`. Of a chained one, that of the engine that passed it on.
    pub client: String,
    /// Whose it is, where that is known.
    pub who: Option<WhoView>,
    /// How it came in: `explicit` (the client knows the relay), `transparent` (intercepted) or
    /// `chained` (another engine passed it on).
    pub via: String,
    /// Where an intercepted one was going: `203.0.113.7:443`.
    pub original_dst: Option<String>,
    /// Which engine passed it on, and for which client; `None` unless it is chained.
    pub chained: Option<ChainedView>,
    /// Host and port as the client named them.
    pub name: Option<String>,
    /// The way it went; `None` while undecided.
    pub route: Option<RouteView>,
    /// The address that was dialled for it: the origin's, the upstream's, or that of the engine
    /// that decides.
    pub dialled: Option<String>,
    /// Bytes from the client.
    pub bytes_up: u64,
    /// Bytes to the client.
    pub bytes_down: u64,
    /// Milliseconds since 1970 when it came in.
    pub started_ms: u64,
    /// Milliseconds since 1970 when it ended; `None` while it lives.
    pub ended_ms: Option<u64>,
    /// Why it failed.
    pub error: Option<Problem>,
}

/// Whose a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum WhoView {
    /// A user of this machine.
    Local {
        /// The user's number.
        uid: u32,
        /// The user's name, where this machine knows it.
        user: Option<String>,
        /// The process, where it may be known: of another user it is shown to root alone.
        pid: Option<u32>,
        /// What that process calls itself.
        program: Option<String>,
    },
    /// A container, or a cluster's node.
    Guest {
        /// Its name.
        name: String,
    },
}

/// Where a connection came from that another engine passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainedView {
    /// The name of the engine, which it proved.
    pub engine: String,
    /// The client's address there.
    pub client: String,
    /// What the engines on the way call themselves, the first one first.
    pub path: Vec<String>,
}

/// The way a connection went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RouteView {
    /// Directly.
    Direct {
        /// The rule that decided.
        reason: String,
    },
    /// Through an upstream.
    Upstream {
        /// The one that was taken: `proxy.corp:3128`.
        upstream: String,
        /// The rule that decided.
        reason: String,
    },
    /// Nowhere.
    Refused {
        /// The rule that decided.
        reason: String,
    },
    /// On to the engine that decides.
    Chained {
        /// `host:port` of it.
        engine: String,
    },
}

impl From<Connection> for ConnectionView {
    fn from(connection: Connection) -> Self {
        Self {
            id: connection.id,
            client: connection.client.to_string(),
            who: connection.who.map(Into::into),
            via: connection.via.word().to_owned(),
            original_dst: connection.original_dst.map(|address| address.to_string()),
            chained: connection.chained.map(Into::into),
            name: connection.name,
            route: connection.route.map(Into::into),
            dialled: connection.dialled.map(|address| address.to_string()),
            bytes_up: connection.bytes_up,
            bytes_down: connection.bytes_down,
            started_ms: connection.started_ms,
            ended_ms: connection.ended_ms,
            error: connection.error.map(Into::into),
        }
    }
}

impl From<ChainedFrom> for ChainedView {
    fn from(from: ChainedFrom) -> Self {
        Self {
            engine: from.engine,
            client: from.client.to_string(),
            path: from.path,
        }
    }
}

impl From<Who> for WhoView {
    fn from(who: Who) -> Self {
        match who {
            Who::Local { uid, user, process } => {
                let (pid, program) = process.map(|p| (p.pid, p.program)).unzip();
                Self::Local {
                    uid,
                    user,
                    pid,
                    program,
                }
            }
            Who::Guest { name } => Self::Guest { name },
        }
    }
}

impl From<RouteTaken> for RouteView {
    fn from(route: RouteTaken) -> Self {
        match route {
            RouteTaken::Direct { reason } => Self::Direct { reason },
            RouteTaken::Upstream { upstream, reason } => Self::Upstream {
                upstream: upstream.authority(),
                reason,
            },
            RouteTaken::Refused { reason } => Self::Refused { reason },
            RouteTaken::Chained { engine } => Self::Chained { engine },
        }
    }
}
