//! What Prometheus is told.

use proxy_engine::config::Policy;
use proxy_engine::control::server::{scraped, serve_metrics};

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine, through, until};

/// The value of a metric in the text of a scrape; 0 when it is not there yet.
fn value(text: &str, metric: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric));
    line.map_or(0, |value| value.trim().parse().expect("a number"))
}

#[tokio::test]
async fn connections_routes_failures_and_bytes_are_counted() {
    let near = Peer::named("near").await;
    let proxy = Peer::start(|head| {
        if head.starts_with("CONNECT secret.test") {
            b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else if head.starts_with("CONNECT") {
            b"HTTP/1.1 200 OK\r\n\r\n".to_vec()
        } else {
            ok("through")
        }
    })
    .await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let mut kept = Client::connect(relay).await;
    for url in [format!("{}/", near.url()), "http://a.test/".into()] {
        assert_eq!(kept.ask(get(&url)).await.status(), 200);
    }
    let connect = |to: &str| format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let refused = Client::connect(relay)
        .await
        .ask(connect("secret.test:443"))
        .await;
    assert_eq!(refused.status(), 403);
    let mut tunnel = Client::connect(relay).await;
    assert_eq!(tunnel.ask(connect("b.test:443")).await.status(), 200);
    tunnel.send(vec![7; 100_000]).await;
    // The bytes of a tunnel count while it lives.
    until("a live tunnel's bytes are counted", || {
        value(
            &engine.metrics(),
            "gangway_client_bytes_total{direction=\"up\"}",
        ) > 100_000
    })
    .await;
    let text = engine.metrics();
    for (metric, wanted) in [
        ("gangway_connections_total{via=\"explicit\"}", 3),
        ("gangway_requests_total{route=\"direct\"}", 1),
        ("gangway_requests_total{route=\"upstream\"}", 3),
        ("gangway_failures_total{code=\"connect_refused\"}", 1),
        ("gangway_policies_total", 0),
    ] {
        assert_eq!(value(&text, metric), wanted, "{metric} in\n{text}");
    }
    let tunnels = format!(
        "gangway_upstream_tunnel_seconds_count{{upstream=\"{}\"}}",
        proxy.address
    );
    assert_eq!(value(&text, &tunnels), 1, "{text}");
    assert!(value(&text, "gangway_descriptors_open") > 3, "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    // What clients ask for is nobody's business, and would be labels without a bound.
    for name in ["a.test", "b.test", "secret.test"] {
        assert!(!text.contains(name), "{name} in\n{text}");
    }
    // Totals stay when what they are made of has ended.
    let before = value(&text, "gangway_client_bytes_total{direction=\"up\"}");
    drop((kept, tunnel));
    until("all have ended", || engine.status().connections.open == 0).await;
    assert_eq!(value(&engine.metrics(), "gangway_connections_open"), 0);
    Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    let after = value(
        &engine.metrics(),
        "gangway_client_bytes_total{direction=\"up\"}",
    );
    assert!(after > before, "{after} after {before}");
    // An upstream that is gone from the policy is gone from the labels.
    engine
        .swap_policy(Policy::direct("home"))
        .await
        .expect("swap");
    let text = engine.metrics();
    assert_eq!(value(&text, "gangway_policies_total"), 1);
    assert!(!text.contains("upstream="), "{text}");
}

#[tokio::test]
async fn metrics_and_nothing_else_are_served_over_tcp() {
    let (engine, _) = engine(Policy::direct("test")).await;
    let listener = scraped("127.0.0.1:0".parse().expect("address")).expect("listens");
    let address = listener.address();
    let serving = tokio::spawn(serve_metrics(listener, engine));
    let ask = async |line: &str| {
        let request = format!("{line} HTTP/1.1\r\nHost: metrics\r\n\r\n");
        Client::connect(address).await.ask(request).await
    };
    let scrape = ask("GET /metrics").await;
    assert_eq!(scrape.status(), 200);
    assert!(
        scrape.head.contains("application/openmetrics-text"),
        "{}",
        scrape.head
    );
    assert!(
        scrape.body.contains("gangway_build_info{version="),
        "{}",
        scrape.body
    );
    for line in [
        "GET /v1/status",
        "PUT /v1/policy",
        "POST /metrics",
        "GET /v1/connections",
    ] {
        assert_eq!(ask(line).await.status(), 404, "{line}");
    }
    serving.abort();
}
