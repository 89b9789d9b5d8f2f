//! When no route can be had, the client reads why, and the status shows it.

use std::sync::atomic::{AtomicUsize, Ordering};

use proxy_engine::config::{DefaultRoute, Policy};

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine, through};

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").to_string()
}

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[tokio::test]
async fn an_upstream_that_is_down_is_named_in_the_answer_and_in_the_status() {
    let down = nobody();
    let (engine, relay) = engine(through(&[format!("http://{down}")])).await;
    for request in [get("http://a.test/"), CONNECT.into()] {
        let response = Client::connect(relay).await.ask(request).await;
        assert_eq!(response.status(), 502);
        assert!(
            response.head.lines().next().expect("line").contains(&down),
            "{}",
            response.head
        );
        assert!(response.body.contains(&down), "{}", response.body);
    }
    let upstream = engine.status().upstreams.remove(0);
    assert_eq!(
        upstream.last_error.expect("error").code,
        "upstream_unreachable"
    );
    assert_eq!(engine.status().connections.failed, 2);
}

#[tokio::test]
async fn the_next_upstream_serves_where_the_first_is_down() {
    let proxy = Peer::named("second").await;
    let (engine, relay) = engine(through(&[format!("http://{}", nobody()), proxy.url()])).await;
    assert_eq!(
        Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await
            .body,
        "second"
    );
    assert_eq!(
        Client::connect(relay).await.ask(CONNECT).await.status(),
        200
    );
    let upstreams = engine.status().upstreams;
    assert!(upstreams[0].last_error.is_some() && upstreams[1].last_error.is_none());
}

#[tokio::test]
async fn a_connect_that_the_upstream_refuses_keeps_its_status_and_names_both() {
    let proxy =
        Peer::start(|_| b"HTTP/1.1 403 Blocked By Policy\r\nContent-Length: 0\r\n\r\n".to_vec())
            .await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let response = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(response.status(), 403);
    for part in [
        &proxy.address.to_string(),
        "a.test:443",
        "403 Blocked By Policy",
    ] {
        assert!(response.body.contains(part), "{}", response.body);
    }
    let error = engine
        .status()
        .upstreams
        .remove(0)
        .last_error
        .expect("error");
    assert_eq!(error.code, "connect_refused");
}

#[tokio::test]
async fn an_upstream_that_asks_for_credentials_nobody_named_says_so() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    })
    .await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    for request in [get("http://a.test/"), CONNECT.into()] {
        let response = Client::connect(relay).await.ask(request).await;
        assert_eq!(response.status(), 407);
        assert!(response.body.contains("gangway login"), "{}", response.body);
        assert!(
            !response.head.contains("Basic"),
            "a browser would ask people: {}",
            response.head
        );
    }
    let error = engine
        .status()
        .upstreams
        .remove(0)
        .last_error
        .expect("error");
    assert_eq!(error.code, "credentials_wanted");
}

#[tokio::test]
async fn a_refused_default_is_never_direct() {
    let reason = "the PAC file cannot be loaded";
    let mut policy = Policy::direct("test");
    policy.default = DefaultRoute::Refused {
        reason: reason.into(),
    };
    let (_engine, relay) = engine(policy).await;
    for request in [get("http://a.test/"), CONNECT.into()] {
        let response = Client::connect(relay).await.ask(request).await;
        assert_eq!(response.status(), 502);
        assert!(response.body.contains(reason), "{}", response.body);
    }
}

#[tokio::test]
async fn a_client_may_go_on_after_an_answer_of_ours() {
    let near = Peer::named("near").await;
    let (_engine, relay) = engine(through(&[format!("http://{}", nobody())])).await;
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.status(), 502);
    assert_eq!(
        client.ask(get(&format!("{}/", near.url()))).await.body,
        "near"
    );
}

#[tokio::test]
async fn an_upstream_that_closed_an_idle_connection_is_asked_again() {
    // It says nothing of closing, but closes.
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: Connection: close\r\n\r\nhi".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    for _ in 0..20 {
        assert_eq!(client.ask(get("http://a.test/")).await.status(), 200);
    }
}

#[tokio::test]
async fn a_request_that_meets_a_closing_connection_is_sent_again_where_that_does_no_harm() {
    for (request, status, seen) in [
        (
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            200,
            3,
        ),
        (
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            502,
            2,
        ),
        (
            "PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx",
            502,
            2,
        ),
    ] {
        let asked = AtomicUsize::new(0);
        // It answers, then reads the second request and closes without a word, as an upstream does
        // whose patience with an idle connection ends at that moment.
        let proxy = Peer::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
            1 => Vec::new(),
            _ => ok("hi"),
        })
        .await;
        let (_engine, relay) = engine(through(&[proxy.url()])).await;
        let mut client = Client::connect(relay).await;
        assert_eq!(client.ask(get("http://a.test/")).await.status(), 200);
        assert_eq!(client.ask(request).await.status(), status, "{request:?}");
        assert_eq!(proxy.heads().len(), seen, "{request:?}");
    }
}
