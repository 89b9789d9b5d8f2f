//! How a command ends.

use std::process::{ExitCode, Termination};

use proxy_mirror::agent::AgentError;
use proxy_mirror::control::Problem;

/// The exit code, as scripts read it; `gangway --help` says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// It failed, and said why.
    Failed,
    /// The command line is wrong, a value of it too, or it needs an answer that nobody can give.
    Usage,
    /// `plan`: there is something to do, and `apply` would do it.
    SomethingToDo,
    /// Another agent runs.
    OtherAgent,
    /// `status`: something is not in force.
    NotInForce,
    /// Ended by a signal from the keyboard.
    Interrupted,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Ok => 0,
            Self::Failed => 1,
            // A wrong command line prints no plan: the two cannot be mixed up.
            Self::Usage | Self::SomethingToDo => 2,
            Self::OtherAgent => 3,
            Self::NotInForce => 4,
            Self::Interrupted => 130,
        })
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) problem: Problem,
}

impl Failure {
    /// The command line is wrong, or an answer is missing.
    pub(crate) fn usage(code: &str, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            problem: Problem::new(code, message),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.code.as_str() {
            "agent_taken" => Exit::OtherAgent,
            "interrupted" => Exit::Interrupted,
            // Whoever judged it, it was typed: no command gets farther with the same words.
            "setting_refused" | "url_invalid" | "no_such_target" => Exit::Usage,
            _ => Exit::Failed,
        };
        Self { exit, problem }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        error.problem().into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Problem::new("terminal_failed", format!("the terminal failed: {error}"))
            .with("reason", error)
            .into()
    }
}
