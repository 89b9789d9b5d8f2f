//! Why a script gave no way.

use super::{AnswerError, BUDGET};

/// Why there is no answer for a URL. The message may hold what the script said, shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacError {
    /// It thought for too long about this URL, and was killed.
    #[error("the PAC script did not answer within {} ms", BUDGET.as_millis())]
    TooSlow,
    /// It threw, or returned no text.
    #[error("the PAC script failed: {0}")]
    Failed(String),
    /// It is no program: it cannot be read, or fails before it is asked anything.
    #[error("the PAC script cannot be run: {0}")]
    Unusable(String),
    /// What it returned is no list of ways.
    #[error("the PAC script gave no answer: {0}")]
    Answer(#[from] AnswerError),
    /// It asks for ever more names.
    #[error("the PAC script looks up too many names")]
    TooManyNames,
    /// It names ever more proxies.
    #[error("the PAC script names too many proxies")]
    TooManyProxies,
    /// The process that runs it could not be started, shut in, or ended by itself.
    #[error("no process runs the PAC script: {0}")]
    NoWorker(String),
    /// Too many URLs are waiting for it.
    #[error("the PAC script is asked about more than it can answer")]
    Busy,
}

impl PacError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooSlow => "pac_too_slow",
            Self::Failed(_) => "pac_failed",
            Self::Unusable(_) => "pac_unusable",
            Self::Answer(_) => "pac_answer",
            Self::TooManyNames => "pac_names",
            Self::TooManyProxies => "pac_proxies",
            Self::NoWorker(_) => "pac_no_worker",
            Self::Busy => "pac_busy",
        }
    }
}
