//! What a PAC script says of one URL.

use proxy_engine::config::{DefaultRoute, Way};
use proxy_engine::pac::Purpose;
use proxy_engine::route::{Route, Router, World};

use super::credentials;
use super::url::Target;
use crate::control::{Explanation, RouteKind, Said};
use crate::policy::Decision;

/// The explanation with the script's own answer, where no rule decides and a script does: it is asked
/// here as the engine would ask it, in a worker of its own.
pub async fn ask_script(url: &str, decision: &Decision, explanation: Explanation) -> Explanation {
    let DefaultRoute::Pac { .. } = decision.policy.default else {
        return explanation;
    };
    let Ok(target) = Target::parse(url) else {
        return explanation;
    };
    let router = Router::new(decision.policy.clone());
    if router.ruling(&target.to).is_some() || router.direct(&target.to).is_some() {
        return explanation;
    }
    let purpose = match target.plain_path() {
        Some(path) => Purpose::Request(path),
        None => Purpose::Tunnel,
    };
    let (ways, reason) = match router.find(&target.to, purpose, World::Own).await {
        Route::Direct { reason } => (vec![Way::Direct], reason),
        Route::Refused { reason } => (Vec::new(), reason),
        Route::Upstreams { ways, reason } => (ways.to_vec(), reason),
    };
    let upstream = ways.iter().find_map(Way::upstream);
    Explanation {
        route: match ways[..] {
            [] => RouteKind::Refused,
            [Way::Direct] => RouteKind::Direct,
            _ => RouteKind::Upstream,
        },
        reason: Said::verbatim(reason),
        source: decision.cause.clone(),
        credentials: upstream.and_then(|upstream| credentials(upstream, decision)),
        upstream: upstream.map(ToString::to_string),
        ways: ways.iter().map(ToString::to_string).collect(),
        ..explanation
    }
}
