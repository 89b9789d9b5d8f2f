//! Something settings are pushed into: one file a target.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stable name of a target: `docker-daemon`, `docker-cli`, `clusters`, `wsl:Ubuntu/docker-daemon`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TargetId(pub String);

/// Whether what should be in force is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum TargetState {
    /// It is not on this machine.
    NotInstalled,
    /// It is here; nothing of ours is asked of it (left alone, or switched off before it was ever set).
    Untouched,
    /// The thing itself was asked, and says what it should.
    InForce {
        /// What it said: `HttpProxy = http://127.0.0.1:3182`.
        evidence: String,
    },
    /// Files or settings differ from what they should be; `plan` says how.
    Differs {
        /// In one sentence.
        reason: String,
    },
    /// The file says so, the running thing does not: it was not restarted since.
    NotInForce {
        /// What it says, what it should say.
        reason: String,
    },
    /// It could not be asked, or its settings cannot be read.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
    /// It would be set, but something is missing first (the engine service, root).
    Blocked {
        /// What is missing, and the command that gets it.
        reason: String,
    },
}
