//! What would happen to one URL, and because of which rule.

mod route;
mod url;

use proxy_engine::config::Upstream;

use self::route::Rule;
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
    let (rule, reason) = route::of(&decision.policy, &target);
    let (route, upstream) = match &rule {
        Rule::Private | Rule::Bypass(_) => (RouteKind::Direct, None),
        Rule::Default => default_route(decision),
    };
    Ok(Explanation {
        url: target.shown(),
        route,
        upstream: upstream.map(ToString::to_string),
        reason,
        source: said_by(&rule, decision),
        credentials: upstream.and_then(|upstream| credentials(upstream, decision)),
    })
}

fn default_route(decision: &Decision) -> (RouteKind, Option<&Upstream>) {
    use proxy_engine::config::DefaultRoute;
    match &decision.policy.default {
        DefaultRoute::Direct => (RouteKind::Direct, None),
        DefaultRoute::Upstreams { upstreams } => (RouteKind::Upstream, upstreams.first()),
        DefaultRoute::Refused { .. } => (RouteKind::Refused, None),
    }
}

/// Where the rule that decided was said.
fn said_by(rule: &Rule, decision: &Decision) -> String {
    match rule {
        Rule::Private => "built in".to_owned(),
        Rule::Bypass(index) if *index < decision.bypass_of_source => decision.origin.clone(),
        Rule::Bypass(_) => "settings.toml: bypass".to_owned(),
        Rule::Default => decision.origin.clone(),
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
