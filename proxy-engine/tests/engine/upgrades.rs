//! 101: from there on the engine is a pair of wires.

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::client::Client;
use crate::peer::{Peer, scripted};
use crate::{engine, through};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn each_direction_of_an_upgraded_connection_ends_by_itself() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = scripted(move |mut origin| {
        let tell = tell.clone();
        async move {
            origin.until(b"\r\n\r\n").await;
            origin.send(SWITCH).await;
            let (heard, ended) = origin.rest().await;
            tell.send((heard, ended.is_ok())).expect("test lives");
            origin.send("still answering").await;
        }
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    let ask = "GET http://a.test/ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(client.ask(ask).await.status(), 101);
    client.send("frames").await;
    client.stream.shutdown().await.expect("shutdown");
    assert_eq!(told.recv().await, Some((b"frames".to_vec(), true)));
    let (heard, ended) = client.rest().await;
    assert_eq!(heard, b"still answering");
    ended.expect("a clean end");
}

#[tokio::test]
async fn a_switch_before_the_body_is_through_loses_no_byte_of_either() {
    // The length of the body is known, and not.
    for (framing, body) in [
        ("Content-Length: 10", ["hello", "world"]),
        (
            "Transfer-Encoding: chunked",
            ["a\r\nhello", "world\r\n0\r\n\r\n"],
        ),
    ] {
        let (tell, mut told) = mpsc::unbounded_channel();
        let url = scripted(move |mut origin| {
            let tell = tell.clone();
            async move {
                origin.until(b"hello").await;
                origin.send(format!("{SWITCH}greeting")).await;
                let (arrived, _) = origin.rest().await;
                tell.send(String::from_utf8(arrived).expect("text"))
                    .expect("test lives");
                origin.send("farewell").await;
            }
        })
        .await;
        let (_engine, relay) = engine(through(&[url])).await;
        let mut client = Client::connect(relay).await;
        let head = format!(
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{framing}\r\n\r\n"
        );
        client.send(head + body[0]).await;
        let switched = client.until(b"\r\n\r\n").await;
        assert!(switched.starts_with("HTTP/1.1 101 "), "{switched}");
        // What the other side says already is arrived although the body is under way.
        assert_eq!(client.exactly(8).await, b"greeting", "{framing}");
        client.send(body[1]).await;
        client.send("0\r\n\r\nframes").await;
        client.stream.shutdown().await.expect("shutdown");
        let arrived = told.recv().await.expect("arrived");
        assert!(
            arrived.ends_with("0\r\n\r\nframes"),
            "{framing} {arrived:?}"
        );
        let rest = arrived.strip_suffix("0\r\n\r\nframes").expect("frames");
        let expected = if framing.starts_with("Content") {
            "world"
        } else {
            "\r\n5\r\nworld\r\n0\r\n\r\n"
        };
        assert_eq!(rest, expected, "{framing}");
        assert_eq!(client.rest().await.0, b"farewell");
    }
}

#[tokio::test]
async fn an_upgrade_to_http_2_goes_through_with_its_settings() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nSETTINGS"
            .to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let ask = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let response = client.ask(ask).await;
    assert_eq!(response.status(), 101);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    client.send(preface).await;
    assert_eq!(
        client.exactly(8 + preface.len()).await,
        [b"SETTINGS", &preface[..]].concat()
    );
    let head = proxy.heads().remove(0);
    assert!(
        head.contains("\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_websocket_inside_a_tunnel_is_never_looked_at() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let connect = "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n";
    assert_eq!(client.ask(connect).await.status(), 200);
    // It echoes: what comes back is what went, to the last strange byte.
    let inside = b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nHost : a\n\x00\xff\x81\x85";
    client.send(inside).await;
    assert_eq!(client.exactly(inside.len()).await, inside);
}

#[tokio::test]
async fn a_client_of_http_1_0_upgrades_nothing() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    client
        .send("GET http://a.test/ HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(client.rest().await.0.starts_with(b"HTTP/1.1 200"));
    let head = proxy.heads().remove(0);
    assert!(!head.contains("Upgrade"), "{head}");
}
