//! What can go wrong while something is measured.

use std::io;

/// Shorthand for this crate's results.
pub(crate) type Result<T, E = BenchError> = std::result::Result<T, E>;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A namespace or a peer could not be set up.
    #[error(transparent)]
    Testbed(#[from] testbed::TestbedError),
    /// A file or socket could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was done, to what.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Connections failed where none may.
    #[error("{failed} of {tried} connections failed, the first so: {first}")]
    Failures {
        /// How many failed.
        failed: u64,
        /// How many there were.
        tried: u64,
        /// What the first failure said.
        first: String,
    },
    /// A way does not carry what it should.
    #[error("{way} is not ready after {seconds} s: {last}\n{words}")]
    NotReady {
        /// The way.
        way: &'static str,
        /// How long it was tried.
        seconds: u64,
        /// What happened at the last try.
        last: String,
        /// What the peer printed.
        words: String,
    },
    /// Something that was to be read is not as expected.
    #[error("{0}")]
    Unexpected(String),
}

impl BenchError {
    /// Names what was done to what, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what: what.into(),
            source,
        }
    }
}
