//! A policy that was given on the command line, to be explained and nothing else.

use proxy_engine::config::{DefaultRoute, Policy, Unavailable, Upstream};
use proxy_engine::pac::Script;

use crate::bypass::{Dialect, Note};
use crate::control::{PolicyKind, PolicyView, Said};
use crate::policy::Decision;

/// What was given; the rest is not asked.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Proxies, in their order; empty: no proxy.
    pub upstreams: Vec<Upstream>,
    /// A PAC script, which decides what no exception names; then `upstreams` is not asked.
    pub script: Option<Script>,
    /// Why everything that no exception names is refused, where it is; then there is no proxy.
    pub refused: Option<String>,
    /// Where they were said.
    pub origin: Said,
    /// The list of exceptions, and how it is written.
    pub bypass: Option<(String, Dialect)>,
}

/// Why nothing can be made of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// Neither a proxy nor an exception.
    #[error("nothing is given to explain it by")]
    Nothing,
}

impl Given {
    /// The decision as if this were what is set, and what its list of exceptions means less or more
    /// than it says.
    ///
    /// # Errors
    /// [`GivenError`].
    pub fn decision(self) -> Result<(Decision, Vec<Note>), GivenError> {
        if self.upstreams.is_empty() && self.bypass.is_none() && self.script.is_none() {
            return Err(GivenError::Nothing);
        }
        let read = self.bypass.map(|(list, dialect)| dialect.read(&list));
        let read = read.unwrap_or_default();
        let policy = Policy {
            default: match (self.script, self.refused, &self.upstreams[..]) {
                (Some(script), ..) => DefaultRoute::Pac {
                    script,
                    // A script that fails shall be seen to fail.
                    unavailable: Unavailable::Block,
                    logins: Vec::new(),
                },
                (None, Some(reason), _) => DefaultRoute::Refused { reason },
                (None, None, []) => DefaultRoute::Direct,
                (None, None, upstreams) => DefaultRoute::Upstreams {
                    upstreams: upstreams.to_vec(),
                },
            },
            bypass: read.bypass,
            ..Policy::direct(self.origin.english.clone())
        };
        let view = PolicyView {
            kind: match &policy.default {
                DefaultRoute::Upstreams { .. } => PolicyKind::Upstreams,
                DefaultRoute::Refused { .. } => PolicyKind::Refused,
                DefaultRoute::Pac { .. } => PolicyKind::Pac,
                DefaultRoute::Direct => PolicyKind::Direct,
            },
            upstreams: self.upstreams.iter().map(ToString::to_string).collect(),
            bypass: policy.bypass.0.iter().map(ToString::to_string).collect(),
            cause: self.origin.clone(),
        };
        let decision = Decision {
            policy,
            view,
            sources: Vec::new(),
            chosen: None,
            pac: Vec::new(),
            cause: self.origin.clone(),
            origin: self.origin,
            bypass_of_source: 0,
            bypass_origin: Said::verbatim("--bypass"),
            wanted: Vec::new(),
            notices: Vec::new(),
        };
        Ok((decision, read.notes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::RouteKind;

    #[test]
    fn what_is_refused_stays_refused_but_for_the_exceptions_that_are_given() {
        let given = Given {
            refused: Some("the PAC file is not evaluated".into()),
            bypass: Some(("corp.example".into(), Dialect::Go)),
            ..Given::default()
        };
        let (decision, _) = given.decision().unwrap();
        assert_eq!(decision.view.kind, PolicyKind::Refused);
        let route = |url: &str| crate::doctor::explain(url, &decision).unwrap().route;
        assert_eq!(route("https://far.example/"), RouteKind::Refused);
        assert_eq!(route("https://git.corp.example/"), RouteKind::Direct);
    }
}
