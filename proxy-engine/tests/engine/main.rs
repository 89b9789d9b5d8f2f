//! What the engine promises, kept on real sockets: an engine in this process between clients and
//! upstreams that say exactly what a test wants them to say.

mod access;
mod attacks;
mod bulk;
mod chain;
mod client;
mod connect_replies;
mod control;
mod credentials;
mod expect;
mod explicit;
mod failures;
mod forwarding;
mod framing;
mod guests;
mod hostile_origin;
mod intermediary;
mod lenders;
mod limits;
mod listeners;
mod live;
mod logins;
mod long;
mod many;
mod metrics;
mod pac;
mod peer;
mod policy;
mod program;
mod second_reader;
mod seeing;
mod socks;
mod stuck;
mod tls_upstreams;
mod tunnels;
mod upgrades;
mod ways;
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use proxy_engine::config::{DefaultRoute, EngineConfig, Limits, Policy};
use proxy_engine::engine::Engine;

/// Nothing here takes longer, unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// A policy that sends what no rule names to these upstreams.
fn through(upstreams: &[String]) -> Policy {
    let upstreams = upstreams.iter().map(|url| url.parse().expect("upstream"));
    Policy {
        default: DefaultRoute::Upstreams {
            upstreams: upstreams.collect(),
        },
        ..Policy::direct("test")
    }
}

/// An engine with one explicit listener, and where it listens.
async fn engine(policy: Policy) -> (Engine, SocketAddr) {
    engine_within(Limits::default(), policy).await
}

/// The same, with limits of its own.
async fn engine_within(limits: Limits, policy: Policy) -> (Engine, SocketAddr) {
    let config = EngineConfig {
        limits,
        ..EngineConfig::default()
    };
    engine_with(config, policy).await
}

/// The same, with more of a configuration.
async fn engine_with(config: EngineConfig, policy: Policy) -> (Engine, SocketAddr) {
    let config = EngineConfig {
        listen: vec!["127.0.0.1:0".parse().expect("address")],
        policy: Some(policy),
        ..config
    };
    let engine = Engine::start(config).await.expect("engine");
    let listeners = engine.status().listeners;
    assert_eq!(listeners[0].error, None);
    (engine, listeners[0].address)
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let wait = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(DEADLINE, wait).await;
    assert!(ended.is_ok(), "never: {what}");
}
