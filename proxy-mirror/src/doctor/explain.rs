//! What would happen to one URL, and because of which rule.

pub(super) mod url;

use std::net::SocketAddr;

use proxy_engine::config::{Bypass, Upstream, Way};
use proxy_engine::route::{BypassIndex, Destination, DirectRule, Host, Route, Router};

use self::url::Target;
use crate::control::{Explanation, Problem, RouteKind, Said};
use crate::policy::Decision;

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
    let (route, upstream, reason, source) = match direct(&router, &target.to) {
        Some(rule) => {
            let source = said_by(&rule, &target.to, decision);
            (RouteKind::Direct, None, said(&rule), source)
        }
        None => by_default(&router, decision),
    };
    Ok(Explanation {
        url: target.to_string(),
        route,
        reason,
        source,
        credentials: upstream
            .as_ref()
            .and_then(|upstream| credentials(upstream, decision)),
        upstream: upstream.as_ref().map(ToString::to_string),
        worlds: Vec::new(),
        tried: None,
    })
}

/// Where `url` leads.
///
/// # Errors
/// As [`explain`].
pub fn destination(url: &str) -> Result<Destination, ExplainError> {
    Ok(Target::parse(url)?.to)
}

/// Why the destination is dialled directly whatever the default route is.
fn direct(router: &Router, to: &Destination) -> Option<DirectRule> {
    match &to.host {
        Host::Ip(ip) => router.direct_address(SocketAddr::new(*ip, to.port)),
        Host::Name(name) => router.direct_name(name, to.port),
    }
}

fn by_default(router: &Router, decision: &Decision) -> (RouteKind, Option<Upstream>, Said, Said) {
    // The engine knows its route, the decision knows why.
    let (kind, upstream) = match router.default_route() {
        Route::Direct { .. } => (RouteKind::Direct, None),
        Route::Upstreams { ways, .. } => (
            RouteKind::Upstream,
            ways.iter().find_map(Way::upstream).cloned(),
        ),
        Route::Refused { .. } => (RouteKind::Refused, None),
    };
    (
        kind,
        upstream,
        decision.cause.clone(),
        decision.origin.clone(),
    )
}

fn said(rule: &DirectRule) -> Said {
    match rule {
        DirectRule::ThisMachine => Said::new("said_this_machine", &[]),
        DirectRule::PlainName => Said::new("said_plain_name", &[]),
        DirectRule::PrivateNetwork => Said::new("said_private_network", &[]),
        DirectRule::Bypass(rule) => Said::new("said_bypass", &[("rule", rule)]),
        DirectRule::Rule(rule) => Said::verbatim(format!("rule {rule}")),
    }
}

/// Where the rule was said that dials the destination directly.
fn said_by(rule: &DirectRule, to: &Destination, decision: &Decision) -> Said {
    match rule {
        DirectRule::ThisMachine | DirectRule::PlainName | DirectRule::PrivateNetwork => {
            return Said::new("said_built_in", &[]);
        }
        DirectRule::Bypass(_) => {}
        DirectRule::Rule(_) => return decision.origin.clone(),
    }
    let of_source = &decision.policy.bypass.0[..decision.bypass_of_source];
    let of_source = BypassIndex::new(&Bypass(of_source.to_vec()));
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
