//! What can go wrong with an engine as a whole.

use std::path::PathBuf;

use crate::chain::KeyError;
use crate::config::EngineAddress;
use crate::control::Problem;
use crate::dial::CaError;

/// Why the engine did not start, or did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder for the last policy cannot be used.
    #[error(
        "cannot keep the policy in {}: {source}; its folder must be there, and the engine's user able to write it",
        path.display()
    )]
    State {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A default route of no upstream.
    #[error("the policy names no upstream: name one, or say `direct` or `refused`")]
    NoUpstream,
    /// The lease is not, or no longer, alive.
    #[error("the lease is not alive: attach first")]
    NoLease,
    /// Somebody else's agent is attached.
    #[error("the agent of {0} is attached; only one user's credentials can be lent at a time")]
    AttachedToOther(String),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
    /// It is ending, or another engine has taken its place.
    #[error("this engine is ending: ask again, the next one answers")]
    Ending,
    /// The firewall's rules end with this process, so that no other can take its place.
    #[error(
        "this engine holds the firewall's rules itself, and they end with it: stop it and start the new one, or run it with a broker"
    )]
    HoldsRules,
    /// The keys of chained engines cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificates that upstreams may be vouched for by cannot be had.
    #[error("--upstream-ca: {0}")]
    Ca(#[from] CaError),
    /// Another engine decides for this one, so that no route can be set here.
    #[error("this engine decides nothing: the engine at {0} does, set the policy there")]
    DecidesNothing(EngineAddress),
    /// Capabilities cannot be given up, so strangers' bytes must not be read.
    #[error("capabilities cannot be given up: {0}")]
    Capabilities(std::io::Error),
}

impl EngineError {
    /// The error for people and programs.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::State { .. } => "state_not_kept",
            Self::NoUpstream => "no_upstream",
            Self::NoLease => "no_lease",
            Self::AttachedToOther(_) => "attached_to_other",
            Self::Random(_) => "no_random",
            Self::Ending => "engine_ending",
            Self::HoldsRules => "holds_rules",
            Self::Key(_) => "chain_keys",
            Self::Ca(_) => "upstream_ca",
            Self::DecidesNothing(_) => "decided_elsewhere",
            Self::Capabilities(_) => "capabilities",
        };
        Problem {
            code: code.into(),
            message: self.to_string(),
        }
    }
}
