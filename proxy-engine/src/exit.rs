//! How the program ends.

use std::process::{ExitCode, Termination};

/// The exit code, as scripts and systemd read it; `--help` says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It ended as it was told to, by SIGTERM or SIGINT.
    Ok = 0,
    /// It could not begin or go on, and said why: the same command may do so later.
    Failed = 1,
    /// The command line is wrong, a value of it or a descriptor that it names: the same command
    /// never does.
    Usage = 2,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
