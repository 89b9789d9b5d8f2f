//! What would happen to one URL, and because of which rule.

mod script;
pub(super) mod url;

use proxy_engine::config::{Bypass, Upstream, Way};
use proxy_engine::route::{BypassIndex, Destination, DirectRule, Host, Route, Router, Ruling};

pub use self::script::ask_script;
use self::url::Target;
use crate::control::{Explanation, Problem, RouteKind, Said};
use crate::policy::Decision;
use crate::target::Asked;

/// Why a URL cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not a URL that can be explained: {reason}")]
pub struct ExplainError {
    /// The URL as it may be shown: escaped, without user and password.
    pub url: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ExplainError {
    /// For the API: code `url_invalid`.
    pub fn problem(&self) -> Problem {
        Problem::new("url_invalid", self.to_string())
            .with("url", &self.url)
            .with("reason", self.reason)
    }
}

/// The route of `url` under this decision, by the engine's own rules. Without a scheme it is taken
/// for `https`; user and password are dropped. A name is judged as a client of the relay would be;
/// nothing is looked up or dialled.
///
/// # Errors
/// [`ExplainError`] where it is no URL, or has a scheme that does not go over TCP.
pub fn explain(url: &str, decision: &Decision) -> Result<Explanation, ExplainError> {
    let target = Target::parse(url)?;
    let router = Router::new(decision.policy.clone());
    let ruling = router.ruling(&target.to);
    let answer = match (ruling, router.direct(&target.to)) {
        (Some(ruling), _) if ruling.named => Answer::of_rule(&ruling, decision),
        (_, Some(rule)) => Answer::direct(&rule, &target.to, decision),
        (Some(ruling), None) => Answer::of_rule(&ruling, decision),
        (None, None) => Answer::by_default(&router, decision),
    };
    let upstream = answer.ways.iter().find_map(Way::upstream);
    Ok(Explanation {
        url: target.to_string(),
        route: match answer.ways[..] {
            [] => RouteKind::Refused,
            [Way::Direct] => RouteKind::Direct,
            _ => RouteKind::Upstream,
        },
        reason: answer.reason,
        source: answer.source,
        credentials: upstream.and_then(|upstream| credentials(upstream, decision)),
        upstream: upstream.map(ToString::to_string),
        ways: answer.ways.iter().map(ToString::to_string).collect(),
        worlds: Vec::new(),
        tried: None,
    })
}

/// What a program asks for that is given `url`.
///
/// # Errors
/// As [`explain`].
pub fn asked(url: &str) -> Result<Asked, ExplainError> {
    let target = Target::parse(url)?;
    Ok(Asked {
        in_clear: target.is_plain(),
        to: target.to,
    })
}

/// What decided, and where that was said.
struct Answer {
    /// In order; none: refused.
    ways: Vec<Way>,
    reason: Said,
    source: Said,
}

impl Answer {
    fn of_rule(ruling: &Ruling, decision: &Decision) -> Self {
        Self {
            ways: ruling.ways.to_vec(),
            reason: Said::new("said_rule", &[("entry", &ruling.entry)]),
            source: decision.rules_origin(),
        }
    }

    fn direct(rule: &DirectRule, to: &Destination, decision: &Decision) -> Self {
        Self {
            ways: vec![Way::Direct],
            reason: said(rule),
            source: said_by(rule, to, decision),
        }
    }

    /// The engine knows its route, the decision knows why.
    fn by_default(router: &Router, decision: &Decision) -> Self {
        Self {
            ways: match router.default_route() {
                Route::Direct { .. } => vec![Way::Direct],
                Route::Upstreams { ways, .. } => ways.to_vec(),
                Route::Refused { .. } => Vec::new(),
            },
            reason: decision.cause.clone(),
            source: decision.origin.clone(),
        }
    }
}

fn said(rule: &DirectRule) -> Said {
    match rule {
        DirectRule::ThisMachine => Said::new("said_this_machine", &[]),
        DirectRule::PlainName => Said::new("said_plain_name", &[]),
        DirectRule::PrivateNetwork => Said::new("said_private_network", &[]),
        DirectRule::Bypass(rule) => Said::new("said_bypass", &[("rule", rule)]),
        DirectRule::Rule(entry) => Said::new("said_rule", &[("entry", entry)]),
    }
}

/// Where the rule was said that dials the destination directly.
fn said_by(rule: &DirectRule, to: &Destination, decision: &Decision) -> Said {
    match rule {
        DirectRule::ThisMachine | DirectRule::PlainName | DirectRule::PrivateNetwork => {
            return Said::new("said_built_in", &[]);
        }
        DirectRule::Bypass(_) => {}
        DirectRule::Rule(_) => return decision.rules_origin(),
    }
    let of_source = decision
        .policy
        .bypass
        .0
        .iter()
        .take(decision.bypass_of_source);
    let of_source = BypassIndex::new(&Bypass(of_source.cloned().collect()));
    let named = match &to.host {
        Host::Ip(ip) => of_source.address(*ip, to.port),
        Host::Name(name) => of_source.name(name, to.port),
    };
    match named {
        Some(_) => decision.origin.clone(),
        None => decision.bypass_origin.clone(),
    }
}

fn credentials(upstream: &Upstream, decision: &Decision) -> Option<String> {
    decision
        .wanted
        .iter()
        .find(|wanted| wanted.upstream == *upstream)
        .map(crate::policy::WantedCredentials::account)
}

#[cfg(test)]
mod tests;
