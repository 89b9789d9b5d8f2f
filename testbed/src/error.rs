//! What can go wrong while a test's machines are built.

use std::io;

/// Shorthand for this crate's results.
pub type Result<T, E = TestbedError> = std::result::Result<T, E>;

/// Why a machine could not be built or asked.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// Namespaces need root.
    #[error("this test builds network namespaces and needs root: run it as root, or with sudo")]
    NotRoot,
    /// A program that `make test` installs is not there.
    #[error(
        "`{program}` is not installed: `make test` installs what tests need (package {package})"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A command could not be started.
    #[error("cannot run `{command}`: {source}")]
    Spawn {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A command ran and failed.
    #[error("`{command}` failed ({status}): {output}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// What it printed.
        output: String,
    },
    /// Something did not happen in time.
    #[error("{what}: not within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: f32,
    },
    /// A file or socket could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was done, to what.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl TestbedError {
    /// Names what was done to what, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            what: what.into(),
            source,
        }
    }
}
