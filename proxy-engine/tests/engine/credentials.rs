//! Credentials: lent for a time, to one authority, tried once.

use proxy_engine::control::LentCredentials;

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine, through};

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";
/// alice:secret
const RIGHT: &str = "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n";

const ASKS: &[u8] =
    b"HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";

async fn asking() -> Peer {
    Peer::start(
        |head| match (head.contains(RIGHT), head.starts_with("CONNECT")) {
            (false, _) => ASKS.to_vec(),
            (true, true) => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            (true, false) => ok("in"),
        },
    )
    .await
}

fn credentials(lease: &str, peer: &Peer, password: &str) -> LentCredentials {
    LentCredentials {
        lease: lease.into(),
        authority: peer.address.to_string(),
        user: "alice".into(),
        password: password.into(),
        anew: false,
    }
}

#[tokio::test]
async fn credentials_serve_while_they_are_lent_and_not_a_request_longer() {
    let proxy = asking().await;
    let upstream = format!("http://alice@{}", proxy.address);
    let (engine, relay) = engine(through(&[upstream])).await;
    let before = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(before.status(), 407);
    let line = before.head.lines().next().expect("line");
    assert_eq!(
        line,
        format!(
            "HTTP/1.1 407 Gangway: no password is lent for {}; start the agent with \"gangway run\"",
            proxy.address
        )
    );
    assert_eq!(proxy.heads().len(), 0, "it was dialled without a password");
    let attached = engine.attach("alice", 0).expect("attached");
    engine
        .lend(&credentials(attached.lease(), &proxy, "secret"))
        .expect("lent");
    assert!(engine.status().upstreams[0].credentials_lent);
    assert_eq!(
        Client::connect(relay).await.ask(CONNECT).await.status(),
        200
    );
    let response = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!((response.status(), response.body.as_str()), (200, "in"));
    let lease = attached.lease().to_owned();
    drop(attached);
    assert!(!engine.status().upstreams[0].credentials_lent);
    assert_eq!(
        Client::connect(relay).await.ask(CONNECT).await.status(),
        407
    );
    assert!(
        engine.lend(&credentials(&lease, &proxy, "secret")).is_err(),
        "a dead lease lends"
    );
    // Both that were lent, and the one that asked how.
    assert_eq!(proxy.heads().len(), 3);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_under_fifty_requests() {
    let proxy = asking().await;
    let upstream = format!("http://alice@{}", proxy.address);
    let (engine, relay) = engine(through(&[upstream])).await;
    let attached = engine.attach("alice", 0).expect("attached");
    engine
        .lend(&credentials(attached.lease(), &proxy, "wrong"))
        .expect("lent");
    let requests = (0..50).map(|i| {
        tokio::spawn(async move {
            let request = if i % 2 == 0 {
                CONNECT.to_owned()
            } else {
                get("http://a.test/")
            };
            Client::connect(relay).await.ask(request).await.status()
        })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.expect("request"), 407);
    }
    let heads = proxy.heads();
    let tried = heads.iter().filter(|h| h.contains("Proxy-Authorization"));
    assert_eq!(tried.count(), 1, "the account would be locked");
    let error = engine
        .status()
        .upstreams
        .remove(0)
        .last_error
        .expect("error");
    assert_eq!(error.code, "credentials_refused");
    engine
        .lend(&credentials(attached.lease(), &proxy, "secret"))
        .expect("lent");
    assert_eq!(
        Client::connect(relay).await.ask(CONNECT).await.status(),
        200
    );
    assert_eq!(engine.status().upstreams[0].last_error, None);
}

#[tokio::test]
async fn no_client_makes_an_upstream_show_the_credentials() {
    // What an upstream does with TRACE: the request comes back as the body.
    let proxy = Peer::start(ok).await;
    let (engine, relay) = engine(through(&[format!("http://alice@{}", proxy.address)])).await;
    let attached = engine.attach("alice", 0).expect("attached");
    engine
        .lend(&credentials(attached.lease(), &proxy, "secret"))
        .expect("lent");
    for method in ["TRACE", "trace"] {
        let request =
            format!("{method} http://a.test/ HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n");
        let response = Client::connect(relay).await.ask(request).await;
        assert!(!response.body.contains("YWxpY2U6"), "{}", response.body);
        assert_eq!(response.status(), 405);
    }
    assert_eq!(proxy.heads().len(), 0);
}

#[tokio::test]
async fn only_one_user_lends_at_a_time() {
    let (engine, _) = engine(through(&["http://alice@127.0.0.1:9".into()])).await;
    let first = engine.attach("alice", 0).expect("attached");
    let again = engine
        .attach("alice", 0)
        .expect("the same user comes back before the old one is gone");
    // Nobody is somebody by saying so.
    for (name, uid) in [("bob", 0), ("alice", 1)] {
        let refused = engine.attach(name, uid).expect_err("refused");
        assert!(refused.to_string().contains("alice"), "{refused}");
    }
    drop((first, again));
    assert!(engine.attach("bob", 0).is_ok());
}

#[tokio::test]
async fn another_user_of_this_machine_gets_the_route_but_not_the_credentials() {
    const OWNER: u32 = 51_001;
    const STRANGER: u32 = 51_002;
    let proxy = asking().await;
    let upstream = format!("http://alice@{}", proxy.address);
    let (engine, relay) = engine(through(&[upstream])).await;
    let attached = engine.attach("alice", OWNER).expect("attached");
    engine
        .lend(&credentials(attached.lease(), &proxy, "secret"))
        .expect("lent");
    for (user, status) in [(OWNER, 200), (0, 200), (STRANGER, 407)] {
        let tunnel = Client::of_user(user, relay).ask(CONNECT).await;
        assert_eq!(tunnel.status(), status, "CONNECT of {user}");
        let mut kept = Client::of_user(user, relay);
        for _ in 0..2 {
            let response = kept.ask(get("http://a.test/")).await;
            assert_eq!(response.status(), status, "GET of {user}");
        }
    }
    let refused = Client::of_user(STRANGER, relay).ask(CONNECT).await;
    assert!(
        refused.body.contains("belong to another user"),
        "{}",
        refused.body
    );
    // The proxy was asked, without the password: what needs none works for everybody.
    let asked = proxy.heads();
    assert!(!asked.last().expect("asked").contains("Proxy-Authorization"));
    // And what it said to a stranger is no news of the proxy.
    assert_eq!(engine.status().upstreams[0].last_error, None);
}

#[tokio::test]
async fn a_client_that_nobody_holds_any_more_gets_no_credentials() {
    let proxy = asking().await;
    let upstream = format!("http://alice@{}", proxy.address);
    let (engine, relay) = engine(through(&[upstream])).await;
    let attached = engine.attach("root", 0).expect("attached");
    engine
        .lend(&credentials(attached.lease(), &proxy, "secret"))
        .expect("lent");
    // It is gone before the engine, which shares this thread, sees it: to the kernel the socket
    // of no process is root's.
    let mut client = std::net::TcpStream::connect(relay).expect("connected");
    std::io::Write::write_all(&mut client, CONNECT.as_bytes()).expect("sent");
    drop(client);
    crate::until("the proxy is asked", || !proxy.heads().is_empty()).await;
    assert!(
        !proxy.heads()[0].contains("Proxy-Authorization"),
        "{:?}",
        proxy.heads()
    );
}
