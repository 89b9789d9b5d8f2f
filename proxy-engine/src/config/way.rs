//! One way of a route, and rules that say which ways a destination goes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Bypass, BypassError, Upstream, UpstreamError};

/// One of several ways in order. The first that can be had is taken; one that answers, and says no,
/// is not passed over.
///
/// Written as the upstream's URL, or `direct`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Way {
    /// Through this proxy.
    Upstream(Upstream),
    /// Dialled by the engine itself.
    Direct,
}

/// Where some destinations go: `registry.example.com=http://other:8080`.
///
/// Rules are asked in their order, and the first that names the destination decides, before the
/// bypass list and before what is direct by itself (private networks, names of one label): it is the
/// most definite wish. `*` names nobody: it decides for what those leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which destinations, as a bypass list names them.
    pub destinations: Bypass,
    /// Their ways in order, at least one.
    pub ways: Vec<Way>,
}

/// Why a rule was refused. The message never holds the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not `DESTINATION=WAY`.
    #[error("a rule is written DESTINATION=URL or DESTINATION=direct")]
    Form,
    /// The destinations are none.
    #[error(transparent)]
    Destinations(#[from] BypassError),
    /// A way is none.
    #[error(transparent)]
    Way(#[from] UpstreamError),
}

impl Way {
    /// The proxy, where it is one.
    pub fn upstream(&self) -> Option<&Upstream> {
        match self {
            Self::Upstream(upstream) => Some(upstream),
            Self::Direct => None,
        }
    }
}

impl From<Upstream> for Way {
    fn from(upstream: Upstream) -> Self {
        Self::Upstream(upstream)
    }
}

impl FromStr for Way {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        if text.eq_ignore_ascii_case("direct") {
            return Ok(Self::Direct);
        }
        text.parse().map(Self::Upstream)
    }
}

impl TryFrom<String> for Way {
    type Error = UpstreamError;

    fn try_from(text: String) -> Result<Self, UpstreamError> {
        text.parse()
    }
}

impl From<Way> for String {
    fn from(way: Way) -> Self {
        way.to_string()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(upstream) => upstream.fmt(f),
            Self::Direct => f.write_str("direct"),
        }
    }
}

/// Destinations and ways with commas between them. The first `=` that does not begin an entry
/// (`=host.example`, `!=host.example`) stands between the two.
impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let between = |at: usize| {
            let before = text[..at].trim_end();
            !before.is_empty() && !before.ends_with([',', '!'])
        };
        let at = { text.match_indices('=') }.find(|(at, _)| between(*at));
        let (at, _) = at.ok_or(RuleError::Form)?;
        let (destinations, ways) = (&text[..at], &text[at + 1..]);
        let destinations: Bypass = destinations.parse()?;
        let ways = ways.split(',').map(str::trim).map(str::parse);
        let ways = ways.collect::<Result<Vec<Way>, UpstreamError>>()?;
        if destinations.0.is_empty() {
            return Err(RuleError::Form);
        }
        Ok(Self { destinations, ways })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways: Vec<String> = self.ways.iter().map(ToString::to_string).collect();
        write!(f, "{}={}", self.destinations, ways.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, RuleError, Way};

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in [
            "registry.example.com=http://other:8080",
            ".corp.test,10.0.0.0/8=socks5h://ann@a.test:1080,https://b.test:443,direct",
            "*=direct",
            "=a.test,.b.test,!=c.b.test=direct",
        ] {
            let rule: Rule = text.parse().expect(text);
            assert_eq!(rule.to_string(), text);
            let json = serde_json::to_string(&rule).expect("json");
            assert_eq!(serde_json::from_str::<Rule>(&json).expect(&json), rule);
        }
        assert_eq!("DIRECT".parse(), Ok(Way::Direct));
    }

    #[test]
    fn half_a_rule_is_refused_without_showing_a_password() {
        for (text, form) in [
            ("", true),
            ("example.com", true),
            ("=direct", true),
            ("a.test=", false),
            ("a.test=http://x:1,", false),
            ("a b=direct", false),
            ("a.test=http://ann:canary@x:1", false),
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert_eq!(error == RuleError::Form, form, "{text}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
