//! What would happen to one URL, and because of which rule.

mod url;

use std::net::SocketAddr;

use proxy_engine::config::{Bypass, Policy, Upstream};
use proxy_engine::route::{BypassIndex, Destination, Host, Route, Router};

use self::url::Target;
use crate::control::{Explanation, Problem, RouteKind};
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
        Some(reason) => {
            let source = said_by(&reason, &target.to, decision);
            (RouteKind::Direct, None, reason, source)
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
    })
}

/// Why the destination is dialled directly whatever the default route is.
fn direct(router: &Router, to: &Destination) -> Option<String> {
    match &to.host {
        Host::Ip(ip) => router.direct_address(SocketAddr::new(*ip, to.port)),
        Host::Name(name) => router.direct_name(name, to.port),
    }
}

fn by_default(
    router: &Router,
    decision: &Decision,
) -> (RouteKind, Option<Upstream>, String, String) {
    let origin = decision.origin.clone();
    match router.default_route() {
        // The engine knows that no proxy is set, the decision knows why.
        Route::Direct { .. } => (
            RouteKind::Direct,
            None,
            decision.policy.cause.clone(),
            origin,
        ),
        Route::Upstreams { upstreams, reason } => (
            RouteKind::Upstream,
            upstreams.first().cloned(),
            reason,
            origin,
        ),
        Route::Refused { reason } => (RouteKind::Refused, None, reason, origin),
    }
}

/// Where the rule was said that dials the destination directly.
fn said_by(reason: &str, to: &Destination, decision: &Decision) -> String {
    let without_bypass = Router::new(Policy {
        bypass: Bypass::default(),
        ..decision.policy.clone()
    });
    if direct(&without_bypass, to).as_deref() == Some(reason) {
        return "built in".to_owned();
    }
    let of_source = &decision.policy.bypass.0[..decision.bypass_of_source];
    let of_source = BypassIndex::new(&Bypass(of_source.to_vec()));
    let named = match &to.host {
        Host::Ip(ip) => of_source.address(*ip, to.port),
        Host::Name(name) => of_source.name(name, to.port),
    };
    match named {
        Some(_) => decision.origin.clone(),
        None => "settings.toml: bypass".to_owned(),
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
