//! Each request of one connection is routed by itself.

use crate::client::{Client, get};
use crate::peer::Peer;
use crate::{engine, through};

#[tokio::test]
async fn requests_of_one_connection_go_each_to_its_own_host() {
    let (a, b) = (Peer::named("a").await, Peer::named("b").await);
    let (_engine, relay) = engine(through(&["http://127.0.0.1:9".into()])).await;
    let mut client = Client::connect(relay).await;
    for (url, body) in [(a.url(), "a"), (b.url(), "b"), (a.url(), "a")] {
        let response = client.ask(get(&format!("{url}/x?y"))).await;
        assert_eq!((response.status(), response.body.as_str()), (200, body));
    }
    assert_eq!(a.lines(), ["GET /x?y HTTP/1.1"; 2]);
    assert_eq!(b.lines(), ["GET /x?y HTTP/1.1"]);
}

#[tokio::test]
async fn direct_or_proxied_is_decided_request_by_request_and_pipelining_keeps_the_order() {
    let (near, proxy) = (Peer::named("near").await, Peer::named("proxy").await);
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let near_url = format!("{}/", near.url());
    let urls = [
        "http://a.test/1",
        &near_url,
        "http://a.test:8080/2",
        "http://b.test/3",
    ];
    client.send(urls.map(get).concat()).await;
    for body in ["proxy", "near", "proxy", "proxy"] {
        assert_eq!(client.response().await.body, body);
    }
    assert_eq!(
        proxy.lines(),
        [
            "GET http://a.test/1 HTTP/1.1",
            "GET http://a.test:8080/2 HTTP/1.1",
            "GET http://b.test/3 HTTP/1.1",
        ]
    );
    assert_eq!(near.lines(), ["GET / HTTP/1.1"]);
    assert_eq!(engine.status().connections.accepted, 1);
}

#[tokio::test]
async fn a_tunnel_tells_the_upstream_the_name_and_loses_no_byte() {
    let proxy = Peer::start(|_| b"HTTP/1.1 200 Fine\r\nX: y\r\n\r\nEARLY".to_vec()).await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let connect =
        "CONNECT Web.Example.test:443 HTTP/1.1\r\nHost: x\r\nUser-Agent: t/1\r\n\r\nhello";
    let response = client.ask(connect).await;
    assert_eq!(response.status(), 200);
    assert_eq!(client.exactly(10).await, b"EARLYhello");
    let head = &proxy.heads()[0];
    assert!(
        head.starts_with("CONNECT web.example.test:443 HTTP/1.1\r\nHost: web.example.test:443\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nUser-Agent: t/1\r\n"), "{head}");
    let shown = &engine.connections()[0];
    assert_eq!(shown.name.as_deref(), Some("web.example.test:443"));
}

#[tokio::test]
async fn an_origin_form_request_is_told_that_this_is_a_proxy() {
    let (_engine, relay) = engine(through(&["http://127.0.0.1:9".into()])).await;
    let mut client = Client::connect(relay).await;
    let response = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(response.status(), 400);
    assert!(
        response.body.contains("this is a proxy"),
        "{}",
        response.body
    );
}

#[tokio::test]
async fn a_request_that_comes_back_is_a_loop() {
    let (engine, relay) = engine(through(&["http://127.0.0.1:9".into()])).await;
    engine
        .swap_policy(through(&[format!("http://{relay}")]))
        .await
        .expect("swap");
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.status(), 508);
    let mut client = Client::connect(relay).await;
    let response = client
        .ask("CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(response.status(), 508);
}
