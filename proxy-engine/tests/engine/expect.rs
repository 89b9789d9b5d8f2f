//! Requests whose bodies come late, slowly, or not at all.

use std::time::Duration;

use proxy_engine::config::Limits;

use crate::client::Client;
use crate::peer::{ok, scripted};
use crate::{engine, engine_within, through};

const EXPECTS: &str = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

#[tokio::test]
async fn a_final_answer_before_the_body_is_passed_on_and_ends_the_connection() {
    for (status, expected) in [(417, 417), (407, 407), (413, 413), (200, 200)] {
        let url = scripted(move |mut upstream| async move {
            upstream.until(b"\r\n\r\n").await;
            upstream
                .send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"))
                .await;
            // It waits for a body that never comes.
            let _ = upstream.rest().await;
        })
        .await;
        let (_engine, relay) = engine(through(&[url])).await;
        let mut client = Client::connect(relay).await;
        let response = client.ask(EXPECTS).await;
        assert_eq!(response.status(), expected);
        // A body or a request: nobody could tell what came next.
        assert!(
            response.head.contains("\r\nConnection: close\r\n"),
            "{}",
            response.head
        );
        assert!(client.rest().await.0.is_empty(), "{status}");
    }
}

#[tokio::test]
async fn every_interim_response_is_passed_on_and_none_to_http_1_0() {
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream
            .send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 New\r\n\r\n")
            .await;
        upstream.send(ok("done")).await;
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client
        .send("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await;
    for status in [102, 103, 199] {
        let head = client.until(b"\r\n\r\n").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(head.contains("Link: </a>"), status == 103, "{head}");
    }
    assert_eq!(client.response().await.body, "done");
    let mut old = Client::connect(relay).await;
    old.send("GET http://a.test/ HTTP/1.0\r\n\r\n").await;
    let (answer, _) = old.rest().await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// An upstream that reads the whole body of four bytes, and answers.
async fn reads_four() -> String {
    scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream.exactly(4).await;
        upstream.send(ok("read")).await;
    })
    .await
}

#[tokio::test]
async fn a_body_may_take_longer_than_an_answer() {
    let limits = Limits {
        answer_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let (_engine, relay) = engine_within(limits, through(&[reads_four().await])).await;
    let mut client = Client::connect(relay).await;
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n";
    client.send(head).await;
    // What is measured is time: the client is slow, and nobody else.
    let mut ticks = tokio::time::interval(Duration::from_millis(300));
    for _ in 0..4 {
        ticks.tick().await;
        client.send("x").await;
    }
    let response = client.response().await;
    assert_eq!((response.status(), response.body.as_str()), (200, "read"));
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_given_up_whether_it_has_the_body_or_does_not_take_it() {
    let limits = Limits {
        answer_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let silent = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        // It reads no more and says nothing, until the connection is closed.
        std::future::pending::<()>().await;
        drop(upstream);
    })
    .await;
    let (_engine, relay) = engine_within(limits, through(&[silent])).await;
    for request in [
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
        // The client waits for 100, which never comes.
        EXPECTS.to_owned(),
        format!(
            "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n{}",
            "body"
        ),
    ] {
        let response = Client::connect(relay).await.ask(&request).await;
        assert_eq!(response.status(), 504, "{request}");
    }
}
