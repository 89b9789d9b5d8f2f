//! Proxy auto-configuration: a script of the company's decides, for each URL, which way it goes.
//!
//! | file | what |
//! |---|---|
//! | `text` | bytes as a server or a file gave them → text |
//! | `script` | the text, bounded; what can be known of it without running it |
//! | `shown` | what a script is shown of a connection |
//! | `answer` | `PROXY a:8080; DIRECT` → ways in order |
//! | `worker` | a process without privileges that runs the script |
//! | `names` | the names and addresses that a script asks for |
//! | `cache` | answers that need not be asked for again |
//! | `evaluator` | all of it: a URL's ways, in bounded time |
//!
//! The script is a stranger's program. It runs in a process that can read no file and open no socket
//! ([`worker`]), for at most [`BUDGET`] and in at most 32 MiB; whatever it says is a list of proxies
//! or nothing.

mod answer;
mod cache;
mod error;
mod evaluator;
mod names;
mod script;
mod shown;
mod text;
pub mod worker;

use std::time::Duration;

pub use answer::{AnswerError, ways};
pub use error::PacError;
pub use evaluator::{Found, Pac};
pub use script::{Script, ScriptError};
pub use shown::{Purpose, Shown};
pub use text::{MOST_BYTES, TextError, decode, read};

/// A script may look up so many names for one URL.
const NAMES: usize = 32;

/// A script may think so long about one URL; the names that it looks up count.
pub const BUDGET: Duration = Duration::from_millis(500);
