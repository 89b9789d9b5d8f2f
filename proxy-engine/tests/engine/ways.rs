//! Which way a connection goes where there are several, and what a proxy's answers say about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use proxy_engine::config::Policy;
use proxy_engine::control::RouteTaken;

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{DEADLINE, engine, through};

fn connect(to: &str) -> String {
    format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")
}

/// An address at which nobody listens, and the listener that keeps it from others.
fn reserved() -> (std::net::SocketAddr, socket2::Socket) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().expect("address");
    socket.bind(&any.into()).expect("bound");
    let address = socket.local_addr().expect("named").as_socket();
    (address.expect("an address"), socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_upstream_is_left_alone_and_the_first_again_once_it_is_back() {
    let (first, socket) = reserved();
    let second = Peer::named("second").await;
    let (engine, relay) = engine(through(&[format!("http://{first}"), second.url()])).await;
    for _ in 0..3 {
        let answer = Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await;
        assert_eq!(answer.body, "second");
    }
    let state = |engine: &proxy_engine::engine::Engine| engine.status().upstreams.remove(0);
    assert!(state(&engine).down, "it is not asked meanwhile");
    let error = state(&engine).last_error.expect("an error");
    assert_eq!(error.code, "upstream_unreachable");

    // It is back, and somebody finds it without a client that waits.
    socket.listen(16).expect("listens");
    let mut changes = engine.subscribe();
    let found = async {
        while state(&engine).down {
            changes.changed().await.expect("the engine lives");
        }
    };
    { tokio::time::timeout(DEADLINE, found) }
        .await
        .expect("it is found");
    assert_eq!(state(&engine).last_error, None);
    let listener: std::net::TcpListener = socket.into();
    let back = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        // The first connection only looked.
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 1024];
            if stream.read(&mut head).expect("read") > 0 {
                return stream.write_all(&ok("first")).expect("sent");
            }
        }
    });
    let answer = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(answer.body, "first");
    back.join().expect("answered");
}

#[tokio::test]
async fn a_way_that_is_direct_serves_where_the_proxies_before_it_do_not() {
    let (dead, _socket) = reserved();
    let origin = Peer::named("origin").await;
    let policy = Policy {
        rules: vec![
            format!("127.0.0.1=http://{dead},direct")
                .parse()
                .expect("rule"),
        ],
        ..Policy::direct("test")
    };
    let (engine, relay) = engine(policy).await;
    let mut client = Client::connect(relay).await;
    for _ in 0..2 {
        let answer = client
            .ask(get(&format!("http://{}/", origin.address)))
            .await;
        assert_eq!(answer.body, "origin");
    }
    assert_eq!(
        origin.connections(),
        1,
        "a kept connection leads there, too"
    );
    let tunnel = connect(&origin.address.to_string());
    let mut second = Client::connect(relay).await;
    assert_eq!(second.ask(tunnel).await.status(), 200);
    for connection in engine.connections() {
        let route = connection.route.expect("a route");
        let reason = "rule 127.0.0.1".to_owned();
        assert_eq!(route, RouteTaken::Direct { reason });
    }
}

#[tokio::test]
async fn without_a_direct_way_nothing_is_dialled_directly() {
    let (dead, _socket) = reserved();
    let origin = Peer::named("origin").await;
    let rule = format!("127.0.0.1=http://{dead},socks5h://{dead}");
    let policy = Policy {
        rules: vec![rule.parse().expect("rule")],
        ..Policy::direct("test")
    };
    let (_engine, relay) = engine(policy).await;
    let url = get(&format!("http://{}/", origin.address));
    for request in [url, connect(&origin.address.to_string())] {
        let answer = Client::connect(relay).await.ask(request).await;
        assert_eq!(answer.status(), 502);
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_refusal_is_final_however_many_ways_are_left() {
    let refusing = Peer::start(|_| b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let next = Peer::named("next").await;
    let (engine, relay) = engine(through(&[refusing.url(), next.url()])).await;
    let answer = Client::connect(relay)
        .await
        .ask(connect("a.test:443"))
        .await;
    assert_eq!(answer.status(), 403);
    assert_eq!(next.connections(), 0);
    assert!(!engine.status().upstreams[0].down, "it answers");
}

#[tokio::test]
async fn a_proxy_that_connects_to_443_only_is_named_as_one_once_it_has_shown_it() {
    let others = Arc::new(AtomicBool::new(false));
    let opens = Arc::clone(&others);
    let proxy = Peer::start(move |head| {
        if head.starts_with("CONNECT a.test:443 ") || opens.load(Relaxed) {
            b"HTTP/1.1 200 OK\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
    })
    .await;
    let (engine, relay) = engine(through(&[proxy.url()])).await;
    let refused = async |code: &str| {
        let answer = Client::connect(relay)
            .await
            .ask(connect("a.test:8443"))
            .await;
        assert_eq!(answer.status(), 403);
        let error = engine.status().upstreams.remove(0).last_error;
        assert_eq!(error.expect("an error").code, code, "{answer:?}");
        let rows = engine.connections();
        let row = rows.iter().max_by_key(|row| row.id).expect("a row");
        assert_eq!(row.error.as_ref().expect("an error").code, code);
        answer
    };
    // Whether it is the port is not known yet.
    refused("connect_refused").await;
    let mut tunnel = Client::connect(relay).await;
    assert_eq!(tunnel.ask(connect("a.test:443")).await.status(), 200);
    let answer = refused("connect_only_443").await;
    assert!(answer.body.contains("port 443 only"), "{answer:?}");
    assert!(answer.body.contains("rule"), "what to do: {answer:?}");
    // One that has connected to another port refuses for another reason.
    others.store(true, Relaxed);
    let mut other = Client::connect(relay).await;
    assert_eq!(other.ask(connect("b.test:22")).await.status(), 200);
    others.store(false, Relaxed);
    refused("connect_refused").await;
}
