//! Who proves nothing, or what was proved for another connection, gets nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use proxy_engine::chain::{Facts, Frame, HandshakeError, call};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{deciding, first, key, last_error, passed_on};
use crate::client::{Client, get};
use crate::peer::Peer;
use crate::{through, until};

const ORIGINAL: &str = "203.0.113.9:443";

fn original() -> SocketAddr {
    ORIGINAL.parse().expect("an address")
}

/// Somebody on the link: what each side said through him.
#[derive(Default)]
struct Heard {
    caller: Mutex<Vec<u8>>,
    decider: Mutex<Vec<u8>>,
}

/// Stands before the engine at `to` for one connection, and changes what the caller says.
async fn between(to: SocketAddr, change: fn(&mut Vec<u8>)) -> (SocketAddr, Arc<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let heard = Arc::<Heard>::default();
    let keep = Arc::clone(&heard);
    tokio::spawn(async move {
        let (caller, _) = listener.accept().await.expect("accept");
        let decider = TcpStream::connect(to).await.expect("connected");
        let (caller, decider) = (caller.into_split(), decider.into_split());
        let up = pump(caller.0, decider.1, &keep.caller, change);
        let down = pump(decider.0, caller.1, &keep.decider, |_| {});
        tokio::join!(up, down);
    });
    (address, heard)
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    heard: &Mutex<Vec<u8>>,
    change: fn(&mut Vec<u8>),
) {
    let mut bytes = Vec::new();
    while let Ok(1..) = from.read_buf(&mut bytes).await {
        change(&mut bytes);
        heard.lock().expect("heard").extend(&bytes);
        if to.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
    // Whoever left first hears nothing of the end.
    let _ = to.shutdown().await;
}

/// Whether it is a challenge, and not a byte more.
fn is_a_challenge(said: &[u8]) -> bool {
    let mut said = BytesMut::from(said);
    matches!(Frame::parse(&mut said), Ok(Some(Frame::Challenge { .. }))) && said.is_empty()
}

fn facts() -> Facts {
    Facts {
        path: vec!["gangway-first".parse().expect("an id")],
        client: "10.244.0.2:41000".parse().expect("an address"),
        original: Some(original()),
    }
}

#[tokio::test]
async fn an_engine_with_another_key_is_refused_on_both_sides() {
    let upstream = Peer::named("upstream").await;
    let (second, chained) = deciding(through(&[upstream.url()])).await;
    let (first, relay) = first(chained, 8).await;
    let refused = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(refused.status(), 502);
    assert!(refused.body.contains("the key of vm-1"), "{}", refused.body);
    assert_eq!(last_error(&first).as_deref(), Some("engine_refused"));
    // One that does not look whether the other holds its key gets no further.
    let mut bold = TcpStream::connect(chained).await.expect("connected");
    let hello = Frame::Hello {
        nonce: [1; 32],
        engine: key().name,
    };
    let guess = Frame::Facts {
        proof: [2; 32],
        json: facts().write().into(),
    };
    let said = [hello.write(), guess.write(), get("http://a.test/").into()];
    bold.write_all(&said.concat()).await.expect("sent");
    let (said, _) = Client::accepted(bold).rest().await;
    assert!(is_a_challenge(&said), "and no verdict: {said:?}");
    until("both are counted", || {
        second.status().connections.refused == 2
    })
    .await;
    assert_eq!(second.status().connections.accepted, 0);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_was_heard_on_the_link_is_worth_nothing_on_another_connection() {
    let upstream = Peer::named("upstream").await;
    let (second, chained) = deciding(through(&[upstream.url()])).await;
    let (link, heard) = between(chained, |_| {}).await;
    let mut stream = TcpStream::connect(link).await.expect("connected");
    call(&mut stream, &key(), &facts(), || ())
        .await
        .expect("taken");
    drop(stream);
    let said = heard.caller.lock().expect("heard").clone();
    let mut replayed = TcpStream::connect(chained).await.expect("connected");
    replayed.write_all(&said).await.expect("sent");
    let (challenge, _) = Client::accepted(replayed).rest().await;
    assert!(is_a_challenge(&challenge), "no verdict: {challenge:?}");
    until("it is refused", || second.status().connections.refused == 1).await;
    assert_eq!(second.status().connections.accepted, 1);
    // Nor does what the deciding engine said make somebody else the deciding engine.
    let decider = heard.decider.lock().expect("heard").clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let false_one = listener.local_addr().expect("address");
    let answer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        stream.write_all(&decider).await.expect("sent");
        Client::accepted(stream).rest().await.0
    });
    let mut stream = TcpStream::connect(false_one).await.expect("connected");
    let called = call(&mut stream, &key(), &facts(), || ()).await;
    assert!(
        matches!(called, Err(HandshakeError::Proof(_))),
        "{called:?}"
    );
    drop(stream);
    let said = answer.await.expect("heard");
    let told = String::from_utf8_lossy(&said).into_owned();
    assert!(!told.contains("10.244.0.2"), "a stranger learns nothing");
}

#[tokio::test]
async fn no_fact_can_be_changed_on_the_way() {
    let upstream = Peer::named("upstream").await;
    let (second, chained) = deciding(through(&[upstream.url()])).await;
    let (link, _) = between(chained, |bytes| {
        let at = bytes.windows(11).position(|w| w == b"203.0.113.9");
        if let Some(at) = at {
            bytes[at + 10] = b'8';
        }
    })
    .await;
    let mut stream = TcpStream::connect(link).await.expect("connected");
    let called = call(&mut stream, &key(), &facts(), || ()).await;
    assert!(called.is_err(), "{called:?}");
    until("it is refused", || second.status().connections.refused == 1).await;
    assert_eq!(second.status().connections.accepted, 0);
}

#[tokio::test]
async fn whoever_proves_nothing_is_closed_and_nothing_is_dialled_for_him() {
    let upstream = Peer::named("upstream").await;
    let (second, chained) = deciding(through(&[upstream.url()])).await;
    let stranger = Frame::Hello {
        nonce: [1; 32],
        engine: "stranger".parse().expect("a name"),
    };
    let verdict = Frame::Verdict(proxy_engine::chain::Verdict::GoesOn);
    let said: [&[u8]; 6] = [
        b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
        b"\x16\x03\x01\x02\0",
        b"GANGWAY\x02",
        b"GANGWAY\x01\x01\xff\xff",
        &stranger.write(),
        &verdict.write(),
    ];
    for said in said {
        let mut client = Client::connect(chained).await;
        client.send(said).await;
        assert!(client.rest().await.0.is_empty(), "told nothing");
    }
    // Silence is not waited for much longer than an engine needs.
    let mut silent = Client::connect(chained).await;
    silent.send("GANGW").await;
    assert!(silent.rest().await.0.is_empty(), "told nothing");
    until("all are counted", || {
        second.status().connections.refused == 7
    })
    .await;
    assert_eq!(second.status().connections.accepted, 0);
    assert_eq!(upstream.connections(), 0);
    // And one that proves it is served.
    let mut client = passed_on(chained, "10.244.0.2:41000", None)
        .await
        .expect("taken");
    assert_eq!(client.ask(get("http://a.test/")).await.body, "upstream");
}

#[tokio::test]
async fn a_caller_whose_client_speaks_before_the_verdict_is_refused() {
    let upstream = Peer::named("upstream").await;
    let (second, chained) = deciding(through(&[upstream.url()])).await;
    // What follows the facts arrives with them.
    let (link, _) = between(chained, |bytes| {
        if bytes.windows(11).any(|w| w == b"203.0.113.9") {
            bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
        }
    })
    .await;
    let mut stream = TcpStream::connect(link).await.expect("connected");
    let called = call(&mut stream, &key(), &facts(), || ()).await;
    assert!(called.is_err(), "{called:?}");
    until("it is refused", || second.status().connections.refused == 1).await;
    assert_eq!(second.status().connections.accepted, 0);
}
