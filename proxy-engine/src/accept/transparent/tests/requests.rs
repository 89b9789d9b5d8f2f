//! Requests of clients that believe they speak to an origin.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{DEADLINE, ORIGIN, Rig};
use crate::config::EngineConfig;
use crate::engine::Core;

/// Log lines of this thread, while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_host_that_is_not_where_the_client_was_going_opens_no_way_there_and_is_logged() {
    let mut rig = Rig::new().await;
    let mut policy = rig.core.router().policy().clone();
    policy.bypass = "localhost".parse().expect("bypass");
    rig.core = Arc::new(Core::new(policy, &EngineConfig::default()).expect("core"));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _here = tracing::subscriber::set_default(subscriber.finish());
    for (host, goes_to, logged) in [
        ("localhost", "localhost", "name=\"localhost\""),
        ("127.0.0.1", ORIGIN, "host=127.0.0.1"),
    ] {
        let mut client = rig.client(80).await;
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("sent");
        let (head, _stream) = rig.asked().await;
        assert!(
            head.starts_with(&format!("GET http://{goes_to}/x HTTP/1.1\r\n")),
            "{head}"
        );
        let lines = String::from_utf8_lossy(&log.0.lock().expect("log")).into_owned();
        let line = lines.lines().find(|line| line.contains(logged));
        assert!(line.is_some_and(|line| line.contains(ORIGIN)), "{lines}");
    }
}

#[tokio::test]
async fn what_a_request_is_for_is_what_every_later_reader_sees() {
    let rig = Rig::new().await;
    for (request, passed) in [
        (
            "GET /x HTTP/1.1\r\nHost: a.test:\r\n",
            "GET http://a.test/x",
        ),
        (
            "GET //b.test/x HTTP/1.1\r\nHost: a.test\r\n",
            "GET http://a.test//b.test/x",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n",
            "OPTIONS http://a.test",
        ),
        ("GET /x HTTP/1.0\r\n", "GET http://203.0.113.10/x"),
    ] {
        let mut client = rig.client(80).await;
        client
            .write_all(format!("{request}\r\n").as_bytes())
            .await
            .expect("sent");
        let (head, _stream) = rig.asked().await;
        assert!(
            head.starts_with(&format!("{passed} HTTP/1.1\r\n")),
            "{request:?} {head}"
        );
    }
}

/// What the engine answers to these requests of one connection, the upstream to each of the first
/// `passed`; and the last head that the upstream saw.
async fn answers(rig: &Rig, requests: &str, passed: usize) -> (String, String) {
    let mut client = rig.client(80).await;
    client.write_all(requests.as_bytes()).await.expect("sent");
    let (mut head, mut stream) = rig.asked().await;
    for number in 0..passed {
        if number > 0 {
            head.clear();
            while !head.ends_with("\r\n\r\n") {
                head.push(char::from(stream.read_u8().await.expect("head")));
            }
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .expect("answered");
    }
    client.shutdown().await.expect("shutdown");
    let mut said = String::new();
    let all = tokio::time::timeout(DEADLINE, client.read_to_string(&mut said));
    all.await.expect("in time").expect("read");
    (said, head)
}

#[tokio::test]
async fn a_url_on_an_intercepted_connection_counts_and_its_host_does_not() {
    let rig = Rig::new().await;
    // The first request tells the protocol; what follows may be in any form.
    let first = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let second = "GET http://b.test/x HTTP/1.1\r\nHost: c.test\r\n\r\n";
    let (said, head) = answers(&rig, &format!("{first}{second}"), 2).await;
    assert_eq!(said.matches("HTTP/1.1 200 ").count(), 2, "{said}");
    assert!(
        head.starts_with("GET http://b.test/x HTTP/1.1\r\nHost: b.test\r\n"),
        "{head}"
    );
    for refused in [
        "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /x#y HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET https://b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET http://b.test#@c.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        let (said, head) = answers(&rig, &format!("{first}{refused}{first}"), 1).await;
        assert_eq!(
            said.matches("HTTP/1.1 200 ").count(),
            1,
            "{refused:?} {said}"
        );
        assert_eq!(
            said.matches("HTTP/1.1 400 ").count(),
            1,
            "{refused:?} {said}"
        );
        assert!(
            head.starts_with("GET http://a.test/ HTTP/1.1\r\n"),
            "{head}"
        );
    }
}
