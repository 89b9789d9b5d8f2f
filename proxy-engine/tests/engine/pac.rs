//! A script decides: in a process that can do nothing else, within its time, and never by failing.

mod hostile;
mod worker;

use proxy_engine::config::{DefaultRoute, EngineConfig, Policy, Unavailable};
use proxy_engine::control::{LentCredentials, RouteTaken};
use proxy_engine::engine::Engine;
use proxy_engine::pac::Script;
use proxy_engine::pac::worker::Program;

use crate::client::{Client, get};
use crate::engine_with;
use crate::peer::Peer;

const PROGRAM: &str = env!("CARGO_BIN_EXE_proxy-engine");

fn script(body: &str) -> Script {
    let text = format!("function FindProxyForURL(url, host) {{ {body} }}");
    Script::new(&text).expect("a script")
}

fn policy(script: Script, unavailable: Unavailable) -> Policy {
    Policy {
        default: DefaultRoute::Pac {
            script,
            unavailable,
            logins: Vec::new(),
        },
        ..Policy::direct("test")
    }
}

/// An engine whose scripts are run by the real program, and where it listens.
async fn engine(policy: Policy) -> (Engine, std::net::SocketAddr) {
    let config = EngineConfig {
        pac_program: Program::At(PROGRAM.into()),
        ..EngineConfig::default()
    };
    engine_with(config, policy).await
}

/// The route of a tunnel to this host, as the connection's row shows it.
async fn route(engine: &Engine, relay: std::net::SocketAddr, host: &str) -> RouteTaken {
    let mut client = Client::connect(relay).await;
    let connect = format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.ask(connect).await;
    let named = format!("{host}:443");
    let rows = engine.connections();
    let row = rows.iter().find(|row| row.name.as_deref() == Some(&named));
    row.and_then(|row| row.route.clone()).expect("a route")
}

#[tokio::test]
async fn a_script_decides_for_each_host_and_for_each_path() {
    let (a, b) = (Peer::named("a").await, Peer::named("b").await);
    let text = format!(
        "if (shExpMatch(url, 'http://a.test:8080/b/*')) return 'PROXY {b}'; \
         if (url == 'https://c.test/' && host == 'c.test') return 'PROXY {b}'; \
         return 'PROXY {a}';",
        a = a.address,
        b = b.address
    );
    let (engine, relay) = engine(policy(script(&text), Unavailable::Block)).await;
    let mut client = Client::connect(relay).await;
    for (url, body) in [
        ("http://a.test:8080/b/x", "b"),
        ("http://a.test:8080/c/x", "a"),
        ("http://a.test:8080/b/x", "b"),
        ("http://d.test/", "a"),
    ] {
        assert_eq!(client.ask(get(url)).await.body, body, "{url}");
    }
    for (host, through) in [("c.test", &b), ("d.test", &a)] {
        let RouteTaken::Upstream { upstream, reason } = route(&engine, relay, host).await else {
            panic!("{host} is not proxied");
        };
        assert_eq!(upstream.authority(), through.address.to_string());
        assert_eq!(reason, format!("PAC: PROXY {}", through.address));
    }
    assert_eq!(
        b.lines().last().expect("asked"),
        "CONNECT c.test:443 HTTP/1.1"
    );
    let shown = engine.status().upstreams;
    let known: Vec<_> = shown
        .iter()
        .map(|shown| shown.upstream.authority())
        .collect();
    assert_eq!(known, [&b, &a].map(|peer| peer.address.to_string()));
}

#[tokio::test]
async fn ways_are_tried_in_the_scripts_order() {
    let alive = Peer::named("alive").await;
    let text = format!(
        "return 'PROXY 127.0.0.1:9; PROXY {}; DIRECT';",
        alive.address
    );
    let (_engine, relay) = engine(policy(script(&text), Unavailable::Block)).await;
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.body, "alive");
}

#[tokio::test]
async fn the_rules_of_the_policy_hold_before_the_script_is_asked() {
    let near = Peer::named("near").await;
    let nowhere = script("return 'PROXY 127.0.0.1:9';");
    let (_engine, relay) = engine(policy(nowhere, Unavailable::Block)).await;
    let mut client = Client::connect(relay).await;
    let response = client.ask(get(&format!("{}/", near.url()))).await;
    assert_eq!(response.body, "near");
}

#[tokio::test]
async fn a_script_sends_credentials_to_no_proxy_that_the_user_has_not_named() {
    let (named, other) = (Peer::named("in").await, Peer::named("out").await);
    let text = format!(
        "return 'PROXY ' + (host == 'a.test' ? '{}' : '{}');",
        named.address, other.address
    );
    let mut policy = policy(script(&text), Unavailable::Block);
    if let DefaultRoute::Pac { logins, .. } = &mut policy.default {
        let login = format!("http://alice@{}", named.address);
        logins.push(login.parse().expect("upstream"));
    }
    let (engine, relay) = engine(policy).await;
    let attached = engine.attach("alice", 0).expect("attached");
    for peer in [&named, &other] {
        let credentials = LentCredentials {
            lease: attached.lease().into(),
            authority: peer.address.to_string(),
            user: "alice".into(),
            password: "secret".into(),
            anew: false,
        };
        engine.lend(&credentials).expect("lent");
    }
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://b.test/")).await.body, "out");
    assert_eq!(client.ask(get("http://a.test/")).await.body, "in");
    let told = |peer: &Peer| peer.heads().concat().contains("Proxy-Authorization");
    assert!(!told(&other));
    assert!(engine.status().upstreams[0].upstream.user().is_some());
}
