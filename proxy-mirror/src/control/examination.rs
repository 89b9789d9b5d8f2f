//! The words of `gangway doctor`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Said;

/// What was looked at, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Examination {
    /// The worst verdict of all.
    pub worst: Verdict,
    /// One a check, in the order of the way: source, engine, upstream, targets, what stands beside.
    pub findings: Vec<Finding>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable name of the check: `upstream`, `target`, `shell_file`.
    pub check: String,
    /// What was looked at: a proxy, a file with its line, a container. Empty where there is only one.
    pub subject: String,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found, and why it is so.
    pub what: Said,
    /// What to do; empty where there is nothing to do.
    pub remedy: Said,
    /// What `gangway doctor --fix` would do about it.
    pub fix: Fix,
}

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, or may; something disagrees.
    Warn,
    /// It does not work.
    Bad,
}

/// What Gangway itself can do about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// Nothing: it is the user's to do.
    None,
    /// `gangway apply`
    Apply,
    /// `gangway engine install`
    InstallEngine,
}

impl Examination {
    /// Of these findings.
    pub fn of(findings: Vec<Finding>) -> Self {
        let worst = findings.iter().map(|finding| finding.verdict).max();
        Self {
            worst: worst.unwrap_or(Verdict::Good),
            findings,
        }
    }
}

impl Finding {
    /// As it should be.
    pub(crate) fn good(check: &str, subject: impl Into<String>, what: Said) -> Self {
        Self {
            check: check.to_owned(),
            subject: subject.into(),
            verdict: Verdict::Good,
            what,
            remedy: Said::default(),
            fix: Fix::None,
        }
    }

    /// Not as it should be.
    pub(crate) fn of(
        verdict: Verdict,
        check: &str,
        subject: impl Into<String>,
        what: Said,
        remedy: Said,
    ) -> Self {
        Self {
            verdict,
            remedy,
            ..Self::good(check, subject, what)
        }
    }

    /// The same, which Gangway itself can mend.
    #[must_use]
    pub(crate) fn fixed_by(mut self, fix: Fix) -> Self {
        self.fix = fix;
        self
    }
}
