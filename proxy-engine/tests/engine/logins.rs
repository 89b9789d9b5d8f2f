//! Logging in to a proxy: how it wants it, on its own connections, once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use proxy_engine::control::LentCredentials;
use proxy_engine::engine::{Attached, Engine};

use crate::client::{Client, get};
use crate::peer::{Peer, ok, scripted};
use crate::tunnels::reset;
use crate::{engine, through};

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";
/// A second message of NTLM with nothing but a nonce, as base64.
const SECOND: &str = "TlRMTVNTUAACAAAAAAAAADAAAAABAgAABwcHBwcHBwcHBwcHBwcHBwAAAAAwAAAA";
const DIGEST: &str = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";

/// An engine that forwards to the proxy as `anna`, with this password.
async fn logged_in(proxy: &str, password: &str) -> (Engine, Attached, SocketAddr) {
    let authority = proxy.strip_prefix("http://").expect("a URL");
    let (engine, relay) = engine(through(&[format!("http://anna@{authority}")])).await;
    let attached = engine.attach("anna", 0).expect("attached");
    let lent = LentCredentials {
        lease: attached.lease().to_owned(),
        authority: authority.to_owned(),
        user: "anna".into(),
        password: password.into(),
        anew: false,
    };
    engine.lend(&lent).expect("lent");
    (engine, attached, relay)
}

fn asks(offers: &[&str]) -> Vec<u8> {
    let mut answer = "HTTP/1.1 407 Auth\r\nContent-Length: 3\r\n".to_owned();
    for offer in offers {
        answer = format!("{answer}Proxy-Authenticate: {offer}\r\n");
    }
    (answer + "\r\nno\n").into_bytes()
}

/// The value of a head's `Proxy-Authorization`.
fn authorization(head: &str) -> Option<&str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix("Proxy-Authorization: "))
}

fn tries(heads: &[String]) -> usize {
    heads
        .iter()
        .filter(|head| authorization(head).is_some())
        .count()
}

#[tokio::test]
async fn basic_is_never_sent_on_a_bare_407() {
    let proxy = Peer::start(|_| asks(&[])).await;
    let (engine, _attached, relay) = logged_in(&proxy.url(), "secret").await;
    for request in [CONNECT.to_owned(), get("http://a.test/")] {
        let response = Client::connect(relay).await.ask(request).await;
        assert_eq!(response.status(), 407);
        assert!(response.body.contains("offers"), "{}", response.body);
    }
    assert_eq!((proxy.heads().len(), tries(&proxy.heads())), (2, 0));
    let error = engine.status().upstreams.remove(0).last_error;
    assert_eq!(error.expect("an error").code, "login_impossible");
}

#[tokio::test]
async fn what_worked_with_a_proxy_is_said_to_it_at_once() {
    let proxy = Peer::start(|head| match authorization(head) {
        None => asks(&["Basic realm=\"x\"", DIGEST]),
        Some(_) if head.starts_with("CONNECT") => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        Some(_) => ok("in"),
    })
    .await;
    let (_engine, _attached, relay) = logged_in(&proxy.url(), "secret").await;
    for status in [200, 200, 200] {
        let tunnel = Client::connect(relay).await.ask(CONNECT).await;
        assert_eq!(tunnel.status(), status);
    }
    let mut kept = Client::connect(relay).await;
    for _ in 0..2 {
        assert_eq!(kept.ask(get("http://a.test/")).await.body, "in");
    }
    let heads = proxy.heads();
    assert_eq!((heads.len(), tries(&heads)), (6, 5), "{heads:#?}");
    let said: Vec<_> = heads
        .iter()
        .filter_map(|head| authorization(head))
        .collect();
    for (count, said) in said.iter().enumerate() {
        let counted = format!("nc={:08x}", count + 1);
        assert!(
            said.starts_with("Digest ") && said.contains(&counted),
            "{said}"
        );
    }
}

#[tokio::test]
async fn five_hundred_requests_with_a_wrong_password_make_one_attempt() {
    for offer in ["Basic realm=\"x\"", DIGEST] {
        let proxy = Peer::start(move |_| asks(&[offer])).await;
        let (engine, _attached, relay) = logged_in(&proxy.url(), "wrong").await;
        let requests: Vec<_> = (0..500)
            .map(|i| {
                let request = if i % 2 == 0 {
                    CONNECT.to_owned()
                } else {
                    get("http://a.test/")
                };
                tokio::spawn(
                    async move { Client::connect(relay).await.ask(request).await.status() },
                )
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.expect("request"), 407);
        }
        assert_eq!(
            tries(&proxy.heads()),
            1,
            "the account would be locked: {offer}"
        );
        let error = engine.status().upstreams.remove(0).last_error;
        assert_eq!(error.expect("an error").code, "credentials_refused");
    }
}

#[tokio::test]
async fn a_user_who_acts_closes_the_circuit() {
    let proxy = Peer::start(|head| match authorization(head) {
        Some("Basic YW5uYTpyaWdodA==") => ok("in"),
        _ => asks(&["Basic realm=\"x\""]),
    })
    .await;
    let (engine, attached, relay) = logged_in(&proxy.url(), "wrong").await;
    let ask = async || {
        Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await
    };
    assert_eq!(ask().await.status(), 407);
    let seen = proxy.heads().len();
    let refused = ask().await;
    assert!(refused.body.contains("gangway login"), "{}", refused.body);
    assert_eq!(proxy.heads().len(), seen, "the circuit is open");
    let lent = LentCredentials {
        lease: attached.lease().to_owned(),
        authority: proxy.address.to_string(),
        user: "anna".into(),
        password: "right".into(),
        anew: false,
    };
    engine.lend(&lent).expect("lent");
    assert_eq!(ask().await.body, "in");
}

#[tokio::test]
async fn a_body_is_sent_once_whatever_the_log_in_takes() {
    const BODY: &str = "0123456789";
    for offer in ["Basic realm=\"x\"", DIGEST] {
        let proxy = Peer::start(move |head| match authorization(head) {
            None => asks(&[offer]),
            Some(_) => ok("in"),
        })
        .await;
        let (_engine, _attached, relay) = logged_in(&proxy.url(), "secret").await;
        for _ in 0..2 {
            let post = format!(
                "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n{BODY}"
            );
            let response = Client::connect(relay).await.ask(post).await;
            assert_eq!(response.body, "in", "{offer}");
        }
        let heads = proxy.heads();
        let posts = heads.iter().filter(|head| head.starts_with("POST"));
        assert_eq!(posts.count(), 2, "{heads:#?}");
        assert!(
            { heads.iter() }
                .filter(|head| head.starts_with("POST"))
                .all(|head| authorization(head).is_some()),
            "what asked first had no body: {heads:#?}"
        );
    }
}

#[tokio::test]
async fn the_same_password_is_tried_again_where_its_user_says_so() {
    let unlocked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = Arc::clone(&unlocked);
    let proxy = Peer::start(move |head| match authorization(head) {
        Some(_) if now.load(std::sync::atomic::Ordering::SeqCst) => ok("in"),
        _ => asks(&["Basic realm=\"x\""]),
    })
    .await;
    let (engine, attached, relay) = logged_in(&proxy.url(), "secret").await;
    let ask = async || {
        let mut client = Client::connect(relay).await;
        client.ask(get("http://a.test/")).await.status()
    };
    assert_eq!(ask().await, 407);
    unlocked.store(true, std::sync::atomic::Ordering::SeqCst);
    for (anew, status) in [(false, 407), (true, 200)] {
        let lent = LentCredentials {
            lease: attached.lease().to_owned(),
            authority: proxy.address.to_string(),
            user: "anna".into(),
            password: "secret".into(),
            anew,
        };
        engine.lend(&lent).expect("lent");
        // What the status says is what holds.
        let shown = engine.status().upstreams.remove(0).last_error;
        assert_eq!(shown.is_none(), anew, "{shown:?}");
        assert_eq!(ask().await, status);
    }
}

#[tokio::test]
async fn a_proxy_that_closes_at_a_password_hears_it_twice_and_nobody_waits() {
    let proxy = Peer::start(|head| match authorization(head) {
        Some(_) => Vec::new(),
        None if head.contains("/free") => ok("free"),
        None => asks(&["Basic realm=\"x\""]),
    })
    .await;
    let (_engine, _attached, relay) = logged_in(&proxy.url(), "secret").await;
    let mut kept = Client::connect(relay).await;
    assert_eq!(kept.ask(get("http://a.test/free")).await.body, "free");
    for _ in 0..2 {
        // Over a kept connection, and over a new one.
        let refused = kept.ask(get("http://a.test/"));
        let refused = tokio::time::timeout(std::time::Duration::from_secs(10), refused).await;
        let status = refused.expect("an answer").status();
        assert!([407, 502].contains(&status), "{status}");
        kept = Client::connect(relay).await;
    }
    assert_eq!(tries(&proxy.heads()), 2, "{:#?}", proxy.heads());
}

#[tokio::test]
async fn a_slow_upload_keeps_nobody_from_the_verdict_on_a_password() {
    let proxy = Peer::start(|head| match authorization(head) {
        None => asks(&["Basic realm=\"x\""]),
        Some(_) => ok("in"),
    })
    .await;
    let (_engine, _attached, relay) = logged_in(&proxy.url(), "secret").await;
    let mut slow = Client::connect(relay).await;
    slow.send("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n0")
        .await;
    // Its turn has come: the password has been said.
    let soon = std::time::Duration::from_secs(10);
    let said = async {
        while tries(&proxy.heads()) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(soon, said).await.expect("said");
    let mut other = Client::connect(relay).await;
    let answer = tokio::time::timeout(soon, other.ask(get("http://b.test/"))).await;
    assert_eq!(answer.expect("in time").body, "in");
}

#[tokio::test]
async fn clients_that_leave_do_not_make_a_password_a_refused_one() {
    let url = scripted(|mut peer| async move {
        while let Some(head) = peer.head().await {
            if authorization(&head).is_none() {
                peer.send(asks(&["Basic realm=\"x\""])).await;
                continue;
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            peer.send(ok("in")).await;
        }
    })
    .await;
    let (_engine, _attached, relay) = logged_in(&url, "secret").await;
    for _ in 0..3 {
        let mut impatient = Client::connect(relay).await;
        impatient.send(get("http://a.test/")).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        reset(&impatient.stream);
        drop(impatient);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut patient = Client::connect(relay).await;
    assert_eq!(patient.ask(get("http://a.test/")).await.body, "in");
}

/// What an NTLM proxy of ours saw.
#[derive(Default)]
struct Seen {
    /// Proofs by connection.
    proofs: HashMap<usize, usize>,
    connections: usize,
    posts: usize,
}

/// How it differs from others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    None,
    /// It closes after its first 407, and says so.
    Closes,
    /// The same, and it does not say so.
    ClosesSilently,
    /// It lets the first message pass.
    TakesHello,
    /// It refuses every proof.
    Refuses,
}

/// A proxy that wants NTLM: every connection is logged in by itself, by three messages.
async fn ntlm_proxy(habit: Habit) -> (String, Arc<Mutex<Seen>>) {
    let seen = Arc::<Mutex<Seen>>::default();
    let shared = Arc::clone(&seen);
    let url = scripted(move |client| {
        let number = {
            let mut seen = shared.lock().expect("seen");
            seen.connections += 1;
            seen.connections
        };
        converse(client, habit, number, Arc::clone(&shared))
    })
    .await;
    (url, seen)
}

async fn converse(mut client: Client, habit: Habit, number: usize, seen: Arc<Mutex<Seen>>) {
    let mut is_in = false;
    let mut had_hello = false;
    while let Some(head) = client.head().await {
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        client.discard(length).await;
        let said = authorization(&head).unwrap_or_default();
        let is_hello = said.starts_with("NTLM TlRMTVNTUAAB");
        let is_proof = said.starts_with("NTLM TlRMTVNTUAAD");
        if is_proof {
            *seen.lock().expect("seen").proofs.entry(number).or_default() += 1;
            assert!(had_hello, "a handshake that began on another connection");
        }
        is_in |= is_proof && habit != Habit::Refuses || is_hello && habit == Habit::TakesHello;
        if is_in {
            if head.starts_with("CONNECT") {
                client.send("HTTP/1.1 200 OK\r\n\r\n").await;
                let (rest, _) = client.rest().await;
                assert!(rest.is_empty());
                return;
            }
            if head.starts_with("POST") {
                seen.lock().expect("seen").posts += 1;
            }
            let body = if head.starts_with("HEAD") { "" } else { "in" };
            client
                .send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}"
                ))
                .await;
            continue;
        }
        had_hello = is_hello;
        let (offer, closes) = if is_hello {
            (format!("NTLM {SECOND}"), false)
        } else {
            (
                "NTLM".into(),
                matches!(habit, Habit::Closes | Habit::ClosesSilently),
            )
        };
        let close = if closes && habit == Habit::Closes {
            "Proxy-Connection: close\r\n"
        } else {
            ""
        };
        let body = if head.starts_with("HEAD") { "" } else { "no\n" };
        client
            .send(format!(
                "HTTP/1.1 407 Auth\r\nProxy-Authenticate: {offer}\r\n{close}Content-Length: 3\r\n\r\n{body}"
            ))
            .await;
        if closes {
            return;
        }
    }
}

#[tokio::test]
async fn ntlm_logs_in_every_connection_by_itself_and_each_serves_one_client() {
    for habit in [Habit::None, Habit::Closes, Habit::ClosesSilently] {
        let (url, seen) = ntlm_proxy(habit).await;
        let (_engine, _attached, relay) = logged_in(&url, "secret").await;
        for _ in 0..3 {
            let tunnel = Client::connect(relay).await.ask(CONNECT).await;
            assert_eq!(tunnel.status(), 200);
        }
        for _ in 0..2 {
            let mut kept = Client::connect(relay).await;
            for _ in 0..3 {
                assert_eq!(kept.ask(get("http://a.test/")).await.body, "in");
            }
        }
        let seen = seen.lock().expect("seen");
        // Three tunnels, and two clients with a connection each: five log-ins, one each.
        assert_eq!(seen.proofs.len(), 5);
        assert!(seen.proofs.values().all(|proofs| *proofs == 1));
    }
}

#[tokio::test]
async fn fifty_mebibytes_are_posted_once_through_ntlm() {
    const LENGTH: usize = 50 << 20;
    for habit in [
        Habit::None,
        Habit::Closes,
        Habit::ClosesSilently,
        Habit::TakesHello,
    ] {
        let (url, seen) = ntlm_proxy(habit).await;
        let (_engine, _attached, relay) = logged_in(&url, "secret").await;
        let mut client = Client::connect(relay).await;
        client
            .send(format!(
                "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: {LENGTH}\r\n\r\n"
            ))
            .await;
        let body = vec![b'x'; 1 << 20];
        for _ in 0..LENGTH >> 20 {
            client.send(&body).await;
        }
        assert_eq!(client.response().await.body, "in");
        assert_eq!(seen.lock().expect("seen").posts, 1);
    }
}

#[tokio::test]
async fn a_proxy_that_lets_the_first_message_pass_is_served() {
    let (url, seen) = ntlm_proxy(Habit::TakesHello).await;
    let (_engine, _attached, relay) = logged_in(&url, "secret").await;
    let tunnel = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(tunnel.status(), 200);
    let mut kept = Client::connect(relay).await;
    for _ in 0..2 {
        assert_eq!(kept.ask(get("http://a.test/")).await.body, "in");
    }
    assert!(seen.lock().expect("seen").proofs.is_empty());
}

#[tokio::test]
async fn five_hundred_requests_with_a_wrong_password_prove_nothing_but_once_through_ntlm() {
    let (url, seen) = ntlm_proxy(Habit::Refuses).await;
    let (_engine, _attached, relay) = logged_in(&url, "wrong").await;
    let requests: Vec<_> = (0..500)
        .map(|_| {
            tokio::spawn(async move { Client::connect(relay).await.ask(CONNECT).await.status() })
        })
        .collect();
    for request in requests {
        assert_eq!(request.await.expect("request"), 407);
    }
    let seen = seen.lock().expect("seen");
    assert_eq!(seen.proofs.values().sum::<usize>(), 1);
}

#[tokio::test]
async fn a_login_that_ended_leaves_no_connection_to_the_next_user() {
    let (url, seen) = ntlm_proxy(Habit::None).await;
    let (engine, attached, relay) = logged_in(&url, "secret").await;
    let mut kept = Client::connect(relay).await;
    assert_eq!(kept.ask(get("http://a.test/")).await.body, "in");
    drop(attached);
    assert_eq!(kept.ask(get("http://a.test/")).await.status(), 407);
    let attached = engine.attach("bob", 1).expect("attached");
    let lent = LentCredentials {
        lease: attached.lease().to_owned(),
        authority: url["http://".len()..].to_owned(),
        user: "anna".into(),
        password: "another".into(),
        anew: false,
    };
    engine.lend(&lent).expect("lent");
    assert_eq!(kept.ask(get("http://a.test/")).await.body, "in");
    assert_eq!(seen.lock().expect("seen").proofs.len(), 2);
}
