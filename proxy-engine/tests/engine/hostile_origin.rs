//! Origins and upstreams that answer what no answer may be, too much of it, or without an end.

use std::time::Duration;

use proxy_engine::config::Limits;

use crate::client::{Client, get};
use crate::peer::{Peer, ok, scripted};
use crate::{engine, engine_within, through};

/// Limits under which a silent origin is given up soon.
fn impatient() -> Limits {
    Limits {
        answer_time: Duration::from_millis(400),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_response_that_could_be_cut_in_two_ways_is_a_bad_gateway_and_the_last_on_its_connection()
{
    let planted = String::from_utf8(ok("planted")).expect("text");
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding : identity\r\n",
        "Content-Length\t: 2\r\nContent-Length: 3\r\n",
        " Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding\x0b: chunked\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length: -2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length:\r\n",
        "X: y\r\n Content-Length: 2\r\n",
        "X: y\nContent-Length: 2\r\n",
        "X: y\rContent-Length: 2\r\n",
        "X: a\0b\r\n",
        "X\0: y\r\n",
        ": y\r\n",
        "no colon\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n0\r\n\r\n{planted}");
        let proxy = Peer::start(move |_| answer.clone().into_bytes()).await;
        let (_engine, relay) = engine(through(&[proxy.url()])).await;
        let mut client = Client::connect(relay).await;
        for _ in 0..2 {
            let response = client.ask(get("http://a.test/")).await;
            assert_eq!(response.status(), 502, "{fields:?}");
            assert!(!response.body.contains("planted"), "{fields:?}");
        }
        assert_eq!(proxy.connections(), 2, "{fields:?}");
    }
}

#[tokio::test]
async fn whitespace_before_the_colon_of_a_response_is_removed_and_what_the_field_says_holds() {
    let answers = [
        "X \t: y\r\nTransfer-Encoding : chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "X\t: y\r\nContent-Length\t: 2\r\n\r\nhi",
        "X : y\r\nConnection : Close, Z\r\nZ : gone\r\n\r\nhi",
    ];
    for answer in answers {
        let url = scripted(move |mut upstream| async move {
            upstream.until(b"\r\n\r\n").await;
            upstream.send(format!("HTTP/1.1 200 OK\r\n{answer}")).await;
        })
        .await;
        let (_engine, relay) = engine(through(&[url])).await;
        let mut client = Client::connect(relay).await;
        client
            .send("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            .await;
        let (passed, ended) = client.rest().await;
        let passed = String::from_utf8(passed).expect("text");
        ended.expect("a clean end");
        let (head, body) = passed.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nX: y\r\n"), "{head}");
        assert!(!head.contains(" :") && !head.contains("\t:"), "{head}");
        assert!(!head.contains("gone"), "{head}");
        let expected = if head.contains("Transfer-Encoding: chunked") {
            "2\r\nhi\r\n0\r\n\r\n"
        } else {
            "hi"
        };
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up_however_it_trickles() {
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream.send("HTTP/1.1 200 OK\r\n").await;
        // What is measured is time: it says something again and again, and never all.
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        while tokio::io::AsyncWriteExt::write_all(&mut upstream.stream, b"X: y\r\n")
            .await
            .is_ok()
        {
            ticks.tick().await;
        }
    })
    .await;
    let (_engine, relay) = engine_within(impatient(), through(&[url])).await;
    let response = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn an_origin_at_work_is_waited_for_as_long_as_it_says_so() {
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        // What is measured is time: in all, twice as long as silence may last.
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..8 {
            ticks.tick().await;
            upstream.send("HTTP/1.1 102 Processing\r\n\r\n").await;
        }
        upstream.send(ok("done")).await;
    })
    .await;
    let (_engine, relay) = engine_within(impatient(), through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    for _ in 0..8 {
        let interim = client.until(b"\r\n\r\n").await;
        assert!(interim.starts_with("HTTP/1.1 102 "), "{interim}");
    }
    assert_eq!(client.response().await.body, "done");
}

#[tokio::test]
async fn a_client_that_was_told_to_go_on_may_take_its_time() {
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        upstream.exactly(4).await;
        upstream.send(ok("done")).await;
    })
    .await;
    let (_engine, relay) = engine_within(impatient(), through(&[url])).await;
    let mut client = Client::connect(relay).await;
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(client.ask(head).await.status(), 100);
    // What is measured is time: the client is slow, and nobody else.
    tokio::time::sleep(2 * impatient().answer_time).await;
    let response = client.ask("body").await;
    assert_eq!((response.status(), response.body.as_str()), (200, "done"));
}

#[tokio::test]
async fn ten_thousand_interim_responses_are_passed_on_or_dropped_and_kept_nowhere() {
    const MANY: usize = 10_000;
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        for _ in 0..MANY / 100 {
            upstream
                .send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100))
                .await;
        }
        upstream.send(ok("done")).await;
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    for _ in 0..MANY {
        client.until(b"\r\n\r\n").await;
    }
    assert_eq!(client.response().await.body, "done");
    let mut old = Client::connect(relay).await;
    old.send("GET http://a.test/ HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8(old.rest().await.0).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_where_there_can_be_none_answers_no_later_request() {
    let planted = String::from_utf8(ok("planted")).expect("text");
    for (method, status) in [("HEAD", "200 OK"), ("GET", "304 Not Modified")] {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            planted.len()
        );
        let answer = (head + &planted).into_bytes();
        let proxy = Peer::start(move |_| answer.clone()).await;
        let (_engine, relay) = engine(through(&[proxy.url()])).await;
        let mut client = Client::connect(relay).await;
        let request = get("http://a.test/").replace("GET", method);
        for _ in 0..3 {
            client.send(&request).await;
            let head = client.until(b"\r\n\r\n").await;
            let expected = format!("HTTP/1.1 {status}\r\n");
            assert!(head.starts_with(&expected), "{head}");
        }
        assert_eq!(proxy.connections(), 3, "{method}");
    }
}

#[tokio::test]
async fn an_answer_before_the_whole_body_leaves_nothing_to_be_taken_for_a_request() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let url = scripted(move |mut upstream| {
        let tell = tell.clone();
        async move {
            upstream.until(b"\r\n\r\n").await;
            upstream.send(ok("early")).await;
            let (heard, _) = upstream.rest().await;
            tell.send(String::from_utf8(heard).expect("text"))
                .expect("test lives");
        }
    })
    .await;
    let (engine, relay) = engine(through(&[url])).await;
    let smuggled = "GET http://smuggled.test/ HTTP/1.1\r\nHost: smuggled.test\r\n\r\n";
    for framing in [
        format!("Content-Length: {}", 2 * smuggled.len()),
        "Transfer-Encoding: chunked".into(),
    ] {
        let mut client = Client::connect(relay).await;
        let head = format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n");
        let response = client.ask(head).await;
        assert_eq!(response.body, "early");
        assert!(
            response.head.contains("\r\nConnection: close\r\n"),
            "{}",
            response.head
        );
        // The rest of the body, which looks like a request, and another one.
        client.send(smuggled.repeat(3)).await;
        assert!(client.rest().await.0.is_empty(), "{framing}");
        let arrived = told.recv().await.expect("arrived");
        assert_eq!(arrived, "", "{framing}");
    }
    assert_eq!(engine.status().connections.refused, 0);
}

#[tokio::test]
async fn an_upstream_that_says_in_the_old_way_that_it_closes_is_not_asked_again() {
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream
            .send("HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 2\r\n\r\nhi")
            .await;
        // It takes its time to close, and answers nothing more.
        let _ = upstream.rest().await;
    })
    .await;
    let (_engine, relay) = engine_within(impatient(), through(&[url])).await;
    let mut client = Client::connect(relay).await;
    for _ in 0..3 {
        let response = client.ask(get("http://a.test/")).await;
        assert_eq!(response.status(), 200);
        assert!(!response.head.contains("close"), "{}", response.head);
    }
}

/// An upstream that begins a body and then is silent; and how its connection ended.
async fn stalls() -> (String, tokio::sync::mpsc::UnboundedReceiver<bool>) {
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let url = scripted(move |mut upstream| {
        let tell = tell.clone();
        async move {
            upstream.until(b"\r\n\r\n").await;
            upstream
                .send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                .await;
            let _ = upstream.rest().await;
            tell.send(true).expect("test lives");
        }
    })
    .await;
    (url, told)
}

#[tokio::test]
async fn a_client_that_is_gone_is_noticed_while_the_origin_is_silent() {
    let (url, mut ended) = stalls().await;
    let (engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    client.until(b"half").await;
    crate::tunnels::reset(&client.stream);
    drop(client);
    let told = tokio::time::timeout(crate::DEADLINE, ended.recv()).await;
    told.expect("the upstream's connection ends");
    crate::until("the connection ends", || {
        engine.status().connections.open == 0
    })
    .await;
}

#[tokio::test]
async fn an_exchange_in_which_nothing_moves_is_cut_at_the_idle_limit() {
    let limit = Duration::from_millis(400);
    let (url, mut ended) = stalls().await;
    let config = proxy_engine::config::EngineConfig {
        idle_limit: proxy_engine::relay::IdleLimit(limit),
        ..Default::default()
    };
    let (_engine, relay) = crate::engine_with(config, through(&[url])).await;
    // The origin is silent in the midst of its body, or the client in the midst of its own.
    for request in [
        get("http://a.test/"),
        "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf".into(),
    ] {
        let mut client = Client::connect(relay).await;
        client.send(&request).await;
        client.until(b"half").await;
        let last = std::time::Instant::now();
        assert!(client.rest().await.1.is_err(), "a clean end: {request}");
        assert!(last.elapsed() >= limit / 2, "{:?}", last.elapsed());
        let told = tokio::time::timeout(crate::DEADLINE, ended.recv()).await;
        told.expect("the upstream's connection ends");
    }
}
