//! Whose a connection is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose a connection is, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Who {
    /// A user of this machine.
    Local {
        /// The user's number.
        uid: u32,
        /// The user's name, where `/etc/passwd` has it.
        user: Option<String>,
        /// The process that holds the connection. `None` where it was not looked for, is gone, or
        /// is another user's, which the kernel shows to root alone (proc(5), `/proc/PID/fd`).
        process: Option<Process>,
    },
    /// A container or a node whose address the agent knows.
    Guest {
        /// What it is called there.
        name: String,
    },
}

/// A process of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its program's name as it says itself (`/proc/PID/comm`), without control characters: at most
    /// 15 bytes of it are known.
    pub program: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid, user, process } => {
                if let Some(Process { pid, program }) = process {
                    write!(f, "{program} (process {pid}) of ")?;
                }
                match user {
                    Some(user) => write!(f, "{user}"),
                    None => write!(f, "user id {uid}"),
                }
            }
            Self::Guest { name } => f.write_str(name),
        }
    }
}
