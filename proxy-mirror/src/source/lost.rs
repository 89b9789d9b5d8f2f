//! What a source says and we cannot follow.

use std::fmt;

use crate::bypass::Note;
use crate::control::Problem;

/// A part of what a source says that could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// An entry of its list of exceptions.
    Entry(Note),
    /// Something else, a second proxy say; in one sentence.
    Other(String),
}

impl Lost {
    /// Two proxies are set, and one engine follows one of them for everything.
    pub(super) fn other_for_http() -> Self {
        "the proxy for HTTP is another one; that for HTTPS is followed".into()
    }

    /// Only one of the two is set.
    pub(super) fn none_for_https() -> Self {
        "no proxy is set for HTTPS; that for HTTP serves both".into()
    }

    /// For people; `origin` is where the source says it.
    pub fn problem(&self, origin: &dyn fmt::Display) -> Problem {
        match self {
            Self::Entry(note) => note.problem(origin),
            Self::Other(what) => Problem::new("not_carried_over", format!("{origin}: {what}"))
                .with("origin", origin)
                .with("what", what),
        }
    }
}

impl From<Note> for Lost {
    fn from(note: Note) -> Self {
        Self::Entry(note)
    }
}

impl From<String> for Lost {
    fn from(what: String) -> Self {
        Self::Other(what)
    }
}

impl From<&str> for Lost {
    fn from(what: &str) -> Self {
        Self::Other(what.to_owned())
    }
}
