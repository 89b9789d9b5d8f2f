//! Why flags are no configuration.

use std::path::PathBuf;

use crate::config::{RuleError, UpstreamError};

/// Why flags that can each be read are none together. The message never holds an upstream's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagsError {
    /// An upstream that is none.
    #[error("--upstream: {0}")]
    Upstream(UpstreamError),
    /// A password on a command line, which every process of the machine can read, or in a file.
    #[error(
        "--upstream: {}; write http://USER@HOST:PORT and pass the password with --credentials-fd or --credentials-file",
        UpstreamError::Password
    )]
    Password,
    /// A rule that is none.
    #[error("--rule: {0}")]
    Rule(RuleError),
    /// A file that holds no PAC script.
    #[error("--pac {}: {what}", path.display())]
    Pac {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// What the script would have to answer.
    #[error("--upstream beside --pac says who you are there: write http://USER@HOST:PORT")]
    NoUser,
    /// Ports of nothing.
    #[error(
        "--ports says which ports to intercept, and nothing is: add --intercept IFACE, or leave --ports out"
    )]
    PortsAlone,
    /// Traffic would be brought to a listener that there is none of.
    #[error(
        "--intercept brings traffic to a transparent listener, and there is none: add --transparent 0.0.0.0:{}",
        crate::engine::TRANSPARENT_PORT
    )]
    NoTransparentListener,
    /// Two flags that need each other, and one of them is missing.
    #[error("{0} needs {1}")]
    Alone(&'static str, &'static str),
    /// What only the engine that decides can do.
    #[error("{0} does nothing beside --chain: the engine there decides, and is the one to tell")]
    DecidesNothing(&'static str),
}

impl From<UpstreamError> for FlagsError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Password => Self::Password,
            error => Self::Upstream(error),
        }
    }
}

impl From<RuleError> for FlagsError {
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::Way(UpstreamError::Password) => Self::Password,
            error => Self::Rule(error),
        }
    }
}
