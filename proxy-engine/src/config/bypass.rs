//! The bypass list as it is written; `route/bypass.rs` compiles it for matching.

mod glob;
mod rule;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use glob::Glob;
pub use rule::BypassRule;

/// Destinations that are dialled directly. Written with commas between the entries, or as a list.
/// The order of the entries does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<BypassRule>", into = "Vec<BypassRule>")]
pub struct Bypass(pub Vec<BypassRule>);

/// Why a list was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BypassError {
    /// An entry: its text, and what would be understood.
    #[error(
        "`{0}` is not a bypass entry: write a host with what is below it (example.com), its subdomains (.example.com), that host alone (=example.com), a pattern (*corp.example), an address (10.1.2.3), a network (10.0.0.0/8), <local> or *; `!` before one leaves it out"
    )]
    Entry(String),
    /// Each pattern costs every connection a step.
    #[error(
        "the bypass list holds more than {most} patterns with `*` inside: write domains (.example.com) where you can",
        most = Bypass::PATTERNS
    )]
    Patterns,
}

impl Bypass {
    /// The list may hold so many patterns with a `*` other than at their beginning or end.
    pub const PATTERNS: usize = 64;

    /// Adds an entry that the list does not hold yet.
    ///
    /// # Errors
    /// [`BypassError::Patterns`] where there is no room for it; the list is as it was then.
    pub fn add(&mut self, rule: BypassRule) -> Result<(), BypassError> {
        if self.0.contains(&rule) {
            return Ok(());
        }
        let slow = || self.0.iter().filter(|rule| rule.is_slow()).count();
        if rule.is_slow() && slow() >= Self::PATTERNS {
            return Err(BypassError::Patterns);
        }
        self.0.push(rule);
        Ok(())
    }
}

impl TryFrom<Vec<BypassRule>> for Bypass {
    type Error = BypassError;

    fn try_from(rules: Vec<BypassRule>) -> Result<Self, BypassError> {
        if rules.iter().filter(|rule| rule.is_slow()).count() > Self::PATTERNS {
            return Err(BypassError::Patterns);
        }
        Ok(Self(rules))
    }
}

impl From<Bypass> for Vec<BypassRule> {
    fn from(bypass: Bypass) -> Self {
        bypass.0
    }
}

impl FromStr for Bypass {
    type Err = BypassError;

    fn from_str(text: &str) -> Result<Self, BypassError> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?
            .try_into()
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&text.join(","))
    }
}

#[cfg(test)]
mod tests;
