//! Two engines: one passes everything on, the other decides.

mod handshake;
mod inward;
mod keys;

use std::net::SocketAddr;
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use proxy_engine::chain::{Facts, HandshakeError, Key, call};
use proxy_engine::config::{Chain, ChainTo, DefaultRoute, EngineConfig, Policy};
use proxy_engine::control::{RouteTaken, Via};
use proxy_engine::engine::{Engine, EngineError};
use rustix::fs::{MemfdFlags, memfd_create};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine_with, through, until};

/// The name of the first engine's key.
const NAME: &str = "vm-1";

/// A file with the key of 32 times `byte` under [`NAME`]. It is looked at as long as an engine
/// runs, and goes with this process.
fn file(byte: u8) -> PathBuf {
    let fd = memfd_create("key", MemfdFlags::CLOEXEC).expect("a file");
    let mut file = std::fs::File::from(fd);
    let private = std::fs::Permissions::from_mode(0o600);
    file.set_permissions(private).expect("mode");
    let line = line(byte);
    std::io::Write::write_all(&mut file, line.as_bytes()).expect("written");
    PathBuf::from(format!("/proc/self/fd/{}", file.into_raw_fd()))
}

/// What stands in it.
fn line(byte: u8) -> String {
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    format!("{NAME} {key}\n")
}

/// The key of every test here that has one.
fn key() -> Key {
    Key::new(NAME.parse().expect("a name"), vec![7; 32])
}

/// An engine that decides, and where others pass connections on to it.
async fn deciding(policy: Policy) -> (Engine, SocketAddr) {
    deciding_at("127.0.0.1:0".parse().expect("address"), policy).await
}

async fn deciding_at(at: SocketAddr, policy: Policy) -> (Engine, SocketAddr) {
    deciding_with(at, file(7), policy).await
}

async fn deciding_with(at: SocketAddr, keys: PathBuf, policy: Policy) -> (Engine, SocketAddr) {
    let chain = Chain {
        listen: vec![at],
        keys: Some(keys),
        ..Chain::default()
    };
    let config = EngineConfig {
        chain,
        ..EngineConfig::default()
    };
    let (engine, _) = engine_with(config, policy).await;
    let listener = engine.status().listeners.remove(1);
    assert_eq!((listener.via, listener.error), (Via::Chained, None));
    (engine, listener.address)
}

/// An engine that passes on to the one there, with the key of `byte`, and its relay.
async fn first(to: SocketAddr, byte: u8) -> (Engine, SocketAddr) {
    first_with(to, file(byte)).await
}

async fn first_with(to: SocketAddr, key: PathBuf) -> (Engine, SocketAddr) {
    let to = ChainTo {
        engine: to.to_string().parse().expect("an address"),
        key,
    };
    let policy = Policy::decided_by(&to.engine);
    let config = EngineConfig {
        chain: Chain {
            to: Some(to),
            ..Chain::default()
        },
        ..EngineConfig::default()
    };
    engine_with(config, policy).await
}

/// A connection passed on by hand, with whatever facts.
async fn passed_on(
    to: SocketAddr,
    client: &str,
    original: Option<SocketAddr>,
) -> Result<Client, HandshakeError> {
    let facts = Facts {
        path: vec!["gangway-first".parse().expect("an id")],
        client: client.parse().expect("an address"),
        original,
    };
    let mut stream = TcpStream::connect(to).await.expect("connected");
    call(&mut stream, &key(), &facts, || ()).await?;
    Ok(Client::accepted(stream))
}

fn connect(to: &str) -> String {
    format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")
}

fn last_error(engine: &Engine) -> Option<String> {
    let chain = engine.status().chain.expect("chained");
    chain.last_error.map(|problem| problem.code)
}

#[tokio::test]
async fn the_deciding_engine_serves_the_client_and_tells_its_upstream_nothing_of_it() {
    let upstream = Peer::named("upstream").await;
    let (second, chained) = deciding(through(&[upstream.url()])).await;
    let (first, relay) = first(chained, 7).await;
    let mut tunnel = Client::connect(relay).await;
    let asked = tunnel.ask(connect("Web.Example.test:443")).await;
    assert_eq!(asked.status(), 200);
    tunnel.send("bytes").await;
    assert_eq!(tunnel.exactly(5).await, b"bytes");
    let mut plain = Client::connect(relay).await;
    for url in ["http://a.test/1", "http://b.test:8080/2"] {
        assert_eq!(plain.ask(get(url)).await.body, "upstream");
    }
    assert_eq!(
        upstream.lines(),
        [
            "CONNECT web.example.test:443 HTTP/1.1",
            "GET http://a.test/1 HTTP/1.1",
            "GET http://b.test:8080/2 HTTP/1.1",
        ]
    );
    let client = tunnel.stream.local_addr().expect("address");
    let shown = second.connections().remove(0);
    let proxy = Some(upstream.address);
    assert_eq!((shown.local, shown.dialled), (Some(chained), proxy));
    let from = shown.chained.expect("where it came from");
    assert_eq!(shown.via, Via::Chained);
    assert_eq!((from.engine.as_str(), from.client), (NAME, client));
    let [id] = &from.path[..] else {
        panic!("one engine: {:?}", from.path)
    };
    for head in upstream.heads() {
        for fact in [id, NAME, &client.to_string(), &client.port().to_string()] {
            assert!(!head.contains(fact), "{fact} in {head}");
        }
    }
    let shown = first.connections().remove(0);
    let engine = chained.to_string();
    assert_eq!(shown.route, Some(RouteTaken::Chained { engine }));
    assert_eq!((shown.via, shown.chained), (Via::Explicit, None));
    assert_eq!(shown.dialled, Some(chained));
    assert!(
        second
            .metrics()
            .contains("gangway_connections_total{via=\"chained\"} 2\n"),
        "{}",
        second.metrics()
    );
    let chain = first.status().chain.expect("chained");
    assert_eq!(
        (chain.engine, chain.name),
        (chained.to_string(), NAME.into())
    );
    assert_eq!(chain.last_error, None);
}

#[tokio::test]
async fn an_engine_that_decides_and_is_gone_means_refusal_until_it_is_back() {
    let near = Peer::named("near").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let at = free.local_addr().expect("address");
    drop(free);
    let (first, relay) = first(at, 7).await;
    let url = format!("{}/", near.url());
    let refused = Client::connect(relay).await.ask(get(&url)).await;
    assert_eq!(refused.status(), 502);
    assert!(refused.body.contains("--chained"), "{}", refused.body);
    assert_eq!(last_error(&first).as_deref(), Some("engine_unreachable"));
    assert_eq!(near.connections(), 0, "never direct");
    let upstream = Peer::named("upstream").await;
    let (_second, _) = deciding_at(at, through(&[upstream.url()])).await;
    let served = Client::connect(relay)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(served.body, "upstream");
    assert_eq!(last_error(&first), None);
}

#[tokio::test]
async fn a_policy_of_the_deciding_engine_holds_at_once_and_the_first_takes_none() {
    let (one, two) = (Peer::named("one").await, Peer::named("two").await);
    let (second, chained) = deciding(through(&[one.url()])).await;
    let (first, relay) = first(chained, 7).await;
    let ask = async || {
        Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await
    };
    assert_eq!(ask().await.body, "one");
    second
        .swap_policy(through(&[two.url()]))
        .await
        .expect("swap");
    assert_eq!(ask().await.body, "two");
    for policy in [through(&[one.url()]), Policy::direct("home")] {
        let refused = first.swap_policy(policy).await.expect_err("refused");
        assert!(matches!(refused, EngineError::DecidesNothing(_)));
    }
    let policy = first.policy().default;
    assert!(matches!(policy, DefaultRoute::Refused { .. }), "{policy:?}");
    assert_eq!(ask().await.body, "two");
}

#[tokio::test]
async fn engines_that_pass_on_to_each_other_end_it_and_say_so() {
    let free = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("bind"));
    let at = free.each_ref().map(|l| l.local_addr().expect("address"));
    drop(free);
    let mut engines = Vec::new();
    for (own, other) in [(at[0], at[1]), (at[1], at[0])] {
        let to = ChainTo {
            engine: other.to_string().parse().expect("an address"),
            key: file(7),
        };
        let policy = Policy::decided_by(&to.engine);
        let chain = Chain {
            to: Some(to),
            listen: vec![own],
            keys: Some(file(7)),
        };
        let config = EngineConfig {
            chain,
            ..EngineConfig::default()
        };
        engines.push(engine_with(config, policy).await);
    }
    let answer = Client::connect(engines[0].1)
        .await
        .ask(get("http://a.test/"))
        .await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("in a circle"), "{}", answer.body);
    for (engine, _) in &engines {
        until("it ends", || engine.status().connections.open == 0).await;
        assert_eq!(engine.status().connections.accepted, 1);
    }
    assert_eq!(last_error(&engines[1].0).as_deref(), Some("engine_refused"));
}

#[tokio::test]
async fn an_engine_between_carries_on_what_the_first_one_saw() {
    let upstream = Peer::named("upstream").await;
    let (last, chained) = deciding(through(&[upstream.url()])).await;
    let to = ChainTo {
        engine: chained.to_string().parse().expect("an address"),
        key: file(7),
    };
    let policy = Policy::decided_by(&to.engine);
    let config = EngineConfig {
        chain: Chain {
            to: Some(to),
            listen: vec!["127.0.0.1:0".parse().expect("address")],
            keys: Some(file(7)),
        },
        ..EngineConfig::default()
    };
    let (between, _) = engine_with(config, policy).await;
    let middle = between.status().listeners[1].address;
    let original = "203.0.113.9:80".parse().expect("address");
    let client = passed_on(middle, "10.244.0.2:41000", Some(original)).await;
    let request = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
    assert_eq!(client.expect("taken").ask(request).await.body, "upstream");
    assert_eq!(upstream.lines(), ["GET http://web.test/ HTTP/1.1"]);
    let shown = last.connections().remove(0);
    let from = shown.chained.expect("where it came from");
    assert_eq!(shown.original_dst, Some(original));
    assert_eq!(from.client.to_string(), "10.244.0.2:41000");
    assert_eq!((from.path.len(), &from.path[0][..]), (2, "gangway-first"));
}

#[tokio::test]
async fn credentials_are_not_behind_a_chained_listener_on_every_address() {
    let policy = through(&["http://alice@127.0.0.1:9".into()]);
    for (wildcard, open) in [(false, false), (true, true)] {
        let mut config = EngineConfig::default();
        config.chain.listen = vec!["0.0.0.0:0".parse().expect("address")];
        config.chain.keys = Some(file(7));
        config.access.wildcard = wildcard;
        let (engine, _) = engine_with(config, policy.clone()).await;
        let listener = engine.status().listeners.remove(1);
        assert_eq!(listener.error.is_none(), open, "{listener:?}");
    }
}

/// A tunnel over both engines to a listener of the test, and the listener's side of it.
async fn tunnel() -> (Engine, Engine, Client, Client) {
    let upstream = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", upstream.local_addr().expect("address"));
    let (second, chained) = deciding(through(&[url])).await;
    let (first, relay) = first(chained, 7).await;
    let mut client = Client::connect(relay).await;
    client.send(connect("a.test:443")).await;
    let (origin, _) = upstream.accept().await.expect("accept");
    let mut origin = Client::accepted(origin);
    origin.until(b"\r\n\r\n").await;
    origin.send("HTTP/1.1 200 OK\r\n\r\n").await;
    assert_eq!(client.response().await.status(), 200);
    (first, second, client, origin)
}

#[tokio::test]
async fn ends_and_resets_pass_both_engines() {
    let (first, second, mut client, mut origin) = tunnel().await;
    client.send("question").await;
    client.stream.shutdown().await.expect("shutdown");
    let (heard, ended) = origin.rest().await;
    assert_eq!((heard.as_slice(), ended.is_ok()), (&b"question"[..], true));
    origin.send("a long answer").await;
    drop(origin);
    let (heard, ended) = client.rest().await;
    assert!(ended.is_ok() && heard == b"a long answer");
    for engine in [first, second] {
        until("it ends", || engine.status().connections.open == 0).await;
    }
    let (_first, _second, mut client, origin) = tunnel().await;
    crate::tunnels::reset(&origin.stream);
    drop(origin);
    assert!(client.rest().await.1.is_err(), "the client saw a clean end");
    let (_first, _second, client, mut origin) = tunnel().await;
    crate::tunnels::reset(&client.stream);
    drop(client);
    assert!(origin.rest().await.1.is_err(), "the origin saw a clean end");
}

#[tokio::test]
async fn a_chained_client_uses_lent_credentials_as_a_guest_does() {
    const SOMEBODY: u32 = 42_424;
    let upstream = Peer::start(|head| {
        if head.contains("Proxy-Authorization") {
            return ok("in");
        }
        b"HTTP/1.1 407 A\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n".to_vec()
    })
    .await;
    let url = format!("http://alice@{}", upstream.address);
    let (second, chained) = deciding(through(&[url])).await;
    let attached = second.attach("alice", 1000).expect("attached");
    let lent = proxy_engine::control::LentCredentials {
        lease: attached.lease().to_owned(),
        authority: upstream.address.to_string(),
        user: "alice".into(),
        password: "pw".into(),
        anew: false,
    };
    second.lend(&lent).expect("lent");
    let (_first, relay) = first(chained, 7).await;
    let mut client = Client::of_user(SOMEBODY, relay);
    assert_eq!(client.ask(get("http://a.test/")).await.status(), 200);
    let head = upstream.heads().remove(1);
    assert!(head.contains("Proxy-Authorization: Basic "), "{head}");
}
