//! What the engine and its worker say to each other: one JSON value in one `SOCK_SEQPACKET` message,
//! so that none is ever cut or mixed with another.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// No message is longer.
#[cfg(target_os = "linux")]
pub(super) const LONGEST: usize = 128 << 10;
/// Bytes of the script in one message; JSON may need six for each.
#[cfg(target_os = "linux")]
pub(super) const PIECE: usize = 16 << 10;

/// From the engine.
#[cfg(target_os = "linux")]
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The next piece of the script.
    Piece {
        /// Part of it.
        text: String,
        /// Whether it is the last.
        last: bool,
    },
    /// What the script must know before it is read.
    Known(Ask),
    /// What is its answer?
    Ask {
        /// Comes back with the answer.
        id: u64,
        /// About this.
        ask: Ask,
    },
}

/// What a script is asked, and all that it may know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pac) struct Ask {
    /// The first argument.
    pub(in crate::pac) url: String,
    /// The second.
    pub(in crate::pac) host: String,
    /// Names that were looked up for it, with their addresses: none where they have none.
    pub(in crate::pac) names: BTreeMap<String, Vec<IpAddr>>,
    /// This machine's own addresses, once they were asked for.
    pub(in crate::pac) own: Option<Vec<IpAddr>>,
}

/// What must be found out before the script can go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pac) enum Wants {
    /// The addresses of a name.
    Name(String),
    /// This machine's own.
    Own,
}

/// From the worker.
#[cfg(target_os = "linux")]
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    /// It is shut in, and takes the script.
    Confined,
    /// It cannot be shut in, and ends.
    NotConfined(String),
    /// Before the script can be read, it must know this.
    Wants(Wants),
    /// The script is read.
    Ready,
    /// The script is no program; the worker ends.
    Unusable(String),
    /// What came of a question.
    Answer {
        /// Of this one.
        id: u64,
        /// What.
        outcome: Outcome,
    },
}

/// What came of one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pac) enum Outcome {
    /// It answered.
    Answered {
        /// In these words.
        text: String,
        /// By chance: the next answer may be another.
        by_chance: bool,
    },
    /// It must know this first.
    Wants(Wants),
    /// It failed, in these words.
    Failed(String),
    /// It took too long, or too much memory: the worker ends.
    Exhausted {
        /// Whether it was the time.
        time: bool,
    },
}
