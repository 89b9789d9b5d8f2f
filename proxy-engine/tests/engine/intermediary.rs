//! What RFC 9110 asks of whoever stands in the middle.

use crate::client::{Client, get};
use crate::peer::{Peer, ok, scripted};
use crate::{engine, through};

#[tokio::test]
async fn a_trace_and_options_have_one_forwarding_less_and_end_here_at_none() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let request = |method: &str, left: &str| {
        format!(
            "{method} http://a.test/x HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: {left}\r\n\
             Cookie: canary\r\nAuthorization: canary\r\nX: y\r\n\r\n"
        )
    };
    for method in ["TRACE", "OPTIONS"] {
        let on = client.ask(request(method, "7")).await;
        assert_eq!((on.status(), on.body.as_str()), (200, "proxy"));
        let head = proxy.heads().pop().expect("head");
        assert!(head.contains("\r\nMax-Forwards: 6\r\n"), "{head}");
    }
    let seen = proxy.lines().len();
    let echo = client.ask(request("TRACE", "0")).await;
    assert!(
        echo.head.contains("Content-Type: message/http\r\n"),
        "{}",
        echo.head
    );
    assert_eq!(
        echo.body,
        "TRACE http://a.test/x HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\nX: y\r\n\r\n"
    );
    let options = client.ask(request("OPTIONS", "0")).await;
    assert_eq!((options.status(), options.body.as_str()), (200, ""));
    // Other methods have no such limit, whatever they say.
    assert_eq!(client.ask(request("GET", "0")).await.body, "proxy");
    assert_eq!(proxy.lines().len(), seen + 1);
    for left in ["-1", "x", "", "1\r\nMax-Forwards: 1"] {
        let refused = Client::connect(relay)
            .await
            .ask(request("TRACE", left))
            .await;
        assert_eq!(refused.status(), 400, "{left:?}");
    }
    assert_eq!(proxy.lines().len(), seen + 1);
}

#[tokio::test]
async fn options_of_everything_is_answered_here_and_sent_on_by_whoever_is_last() {
    let origin = Peer::named("origin").await;
    let (_engine, relay) = engine(through(&["http://127.0.0.1:9".into()])).await;
    let mut client = Client::connect(relay).await;
    let here = client
        .ask("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .await;
    assert_eq!(here.status(), 200);
    // Loopback is dialled directly: this engine is the last proxy.
    let url = origin.url();
    let there = client
        .ask(format!("OPTIONS {url} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .await;
    assert_eq!(there.body, "origin");
    assert_eq!(origin.lines(), ["OPTIONS * HTTP/1.1"]);
}

#[tokio::test]
async fn via_names_the_version_in_which_a_message_came() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nVia: 1.0 other\r\n\r\nhi".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    client
        .send("GET http://a.test/ HTTP/1.0\r\nVia: 1.1 first\r\n\r\n")
        .await;
    let (answer, _) = client.rest().await;
    let answer = String::from_utf8(answer).expect("text");
    assert!(
        answer.contains("\r\nVia: 1.0 other\r\nVia: 1.0 gangway-"),
        "{answer}"
    );
    let head = proxy.heads().remove(0);
    assert!(
        head.contains("\r\nVia: 1.1 first\r\nVia: 1.0 gangway-"),
        "{head}"
    );
}

#[tokio::test]
async fn an_upstream_of_http_1_0_serves_a_client_of_http_1_1_again_and_again() {
    // No length, and the end of the connection; then a length, and the connection is not kept.
    for answer in [
        "HTTP/1.0 200 OK\r\n\r\nold",
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold",
    ] {
        let url = scripted(move |mut upstream| async move {
            upstream.until(b"\r\n\r\n").await;
            upstream.send(answer).await;
        })
        .await;
        let (_engine, relay) = engine(through(&[url])).await;
        let mut client = Client::connect(relay).await;
        if answer.contains("Content-Length") {
            for _ in 0..3 {
                assert_eq!(client.ask(get("http://a.test/")).await.body, "old");
            }
        } else {
            client.send(get("http://a.test/")).await;
            let (answer, ended) = client.rest().await;
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.ends_with("Connection: close\r\n\r\nold"), "{answer}");
            ended.expect("a clean end");
        }
    }
}

#[tokio::test]
async fn a_response_that_cannot_have_a_body_says_no_length_and_what_follows_is_no_response() {
    let url = scripted(|mut upstream| async move {
        upstream.until(b"\r\n\r\n").await;
        upstream
            .send("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: x\r\n\r\n")
            .await;
        let planted = String::from_utf8(ok("planted")).expect("text");
        let head = format!(
            "HTTP/1.1 204 No Content\r\nX: y\r\nContent-Length: {}\r\n\r\n",
            planted.len()
        );
        upstream.send(head + &planted).await;
        // Held open: only what the head says can tell that it must not be used again.
        let _ = upstream.rest().await;
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    for _ in 0..2 {
        client.send(get("http://a.test/")).await;
        let interim = client.until(b"\r\n\r\n").await;
        assert!(
            interim.starts_with("HTTP/1.1 103 Early Hints\r\nLink: x\r\nVia: "),
            "{interim}"
        );
        let last = client.until(b"\r\n\r\n").await;
        assert!(
            last.starts_with("HTTP/1.1 204 No Content\r\nX: y\r\nVia: "),
            "{last}"
        );
        for length in ["Content-Length", "Transfer-Encoding"] {
            assert!(
                !interim.contains(length) && !last.contains(length),
                "{interim}{last}"
            );
        }
    }
}

#[tokio::test]
async fn a_204_that_claims_a_body_is_the_last_on_its_connection() {
    let proxy =
        Peer::start(|_| b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()).await;
    let url = proxy.url();
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    let connections = {
        for _ in 0..2 {
            let response = client.ask(get("http://a.test/")).await;
            assert_eq!(response.status(), 204);
            assert!(
                !response.head.contains("Transfer-Encoding"),
                "{}",
                response.head
            );
        }
        proxy.connections()
    };
    assert_eq!(connections, 2);
}

#[tokio::test]
async fn what_connection_lists_is_no_trailer_either() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-hop: 2\r\nKeep-Alive: 3\r\n\r\n".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    client.until(b"\r\n\r\n").await;
    let body = client.until(b"\r\n\r\n").await;
    assert_eq!(body, "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n");
}

#[tokio::test]
async fn a_head_response_and_304_never_wait_for_the_body_they_speak_of() {
    let proxy = Peer::start(|head| {
        if head.starts_with("HEAD") {
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nETag: x\r\n\r\n".to_vec()
        }
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    for _ in 0..2 {
        client
            .send("HEAD http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .await;
        let head = client.until(b"\r\n\r\n").await;
        assert!(
            head.contains("\r\nContent-Length: 5000000000\r\n"),
            "{head}"
        );
        client.send(get("http://a.test/")).await;
        let head = client.until(b"\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 304"), "{head}");
    }
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_426_still_says_which_protocol_is_wanted() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let response = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert!(
        response
            .head
            .contains("\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\n"),
        "{}",
        response.head
    );
}

#[tokio::test]
async fn a_client_of_http_1_0_is_not_kept_whatever_it_asks_for() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    for keep in [
        "Connection: keep-alive",
        "Proxy-Connection: keep-alive",
        "Connection: keep-alive\r\nKeep-Alive: timeout=60",
    ] {
        let mut client = Client::connect(relay).await;
        let request = format!("GET http://a.test/ HTTP/1.0\r\n{keep}\r\n\r\n");
        let seen = proxy.heads().len();
        client.send(request.repeat(2)).await;
        let (answers, _) = client.rest().await;
        let answers = String::from_utf8(answers).expect("text");
        assert!(
            answers.ends_with("\r\nConnection: close\r\n\r\nproxy"),
            "{answers}"
        );
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
        let heads = proxy.heads();
        assert_eq!(heads.len(), seen + 1, "{keep}");
        assert!(!heads[seen].contains("eep-"), "{}", heads[seen]);
    }
}

#[tokio::test]
async fn what_an_http_1_0_client_expects_is_nothing() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    client
        .send(
            "POST http://a.test/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
        )
        .await;
    assert!(client.rest().await.0.ends_with(b"proxy"));
    let head = proxy.heads().remove(0);
    assert!(head.contains("\r\nContent-Length: 4\r\n"), "{head}");
    assert!(!head.contains("Expect"), "{head}");
}

#[tokio::test]
async fn no_trailer_of_a_request_says_how_it_is_framed_routed_or_let_in() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let url = scripted(move |mut upstream| {
        let tell = tell.clone();
        async move {
            upstream.until(b"\r\n\r\n").await;
            let body = upstream.until(b"\r\n\r\n").await;
            tell.send(body).expect("test lives");
            upstream.send(ok("read")).await;
        }
    })
    .await;
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    let request = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n\
         2;x=\"y\"\r\nhi\r\n0\r\nx-SUM: 1\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nhost: b.test\r\n\
         Connection: X-Sum\r\nX-Hop: 2\r\nKeep-Alive: 3\r\nProxy-Authorization: Basic eA==\r\nTE: x\r\n\
         Upgrade: y\r\nVia: 1.1 z\r\nX-Last: 4\r\n\r\n";
    let response = client.ask(request).await;
    assert_eq!(response.body, "read");
    // What `Connection` lists there counts there too.
    let body = told.recv().await.expect("body");
    assert_eq!(body, "2\r\nhi\r\n0\r\nX-Last: 4\r\n\r\n");
}

#[tokio::test]
async fn an_authority_ends_at_a_slash_for_every_reader() {
    let proxy = Peer::named("proxy").await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    for (target, passed) in [
        ("http://a.test?@b.test", "http://a.test/?@b.test"),
        ("http://A.test:80?x", "http://a.test/?x"),
        (
            "http://a.test:8080?/@b.test",
            "http://a.test:8080/?/@b.test",
        ),
        // What has its slash goes on as it came.
        ("http://A.test:80/?x", "http://A.test:80/?x"),
        (
            "HTTP://a.test/x?y=http://b.test",
            "HTTP://a.test/x?y=http://b.test",
        ),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(client.ask(request).await.status(), 200, "{target}");
        let line = proxy.lines().pop().expect("line");
        assert_eq!(line, format!("GET {passed} HTTP/1.1"));
    }
}
