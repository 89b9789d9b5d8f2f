//! Proxies that speak SOCKS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use proxy_engine::control::LentCredentials;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, get};
use crate::peer::{Peer, ok, scripted};
use crate::{engine, through};

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";

/// A SOCKS proxy that lets in who says `password` where it has one, answers `reply`, and is the
/// origin itself from then on: it answers whatever comes with `in`.
#[derive(Clone)]
struct Socks {
    address: SocketAddr,
    /// What it was asked for, `a.test:443` or `192.0.2.1:443`.
    asked: Arc<Mutex<Vec<String>>>,
    logins: Arc<AtomicUsize>,
}

impl Socks {
    async fn start(password: Option<&'static str>, reply: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let this = Self {
            address: listener.local_addr().expect("address"),
            asked: Arc::default(),
            logins: Arc::default(),
        };
        let it = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let it = it.clone();
                // A client that hangs up is what the test looks at from its own end.
                tokio::spawn(async move { drop(it.converse(stream, password, reply).await) });
            }
        });
        this
    }

    async fn converse(
        self,
        mut stream: TcpStream,
        password: Option<&str>,
        reply: u8,
    ) -> std::io::Result<()> {
        if stream.read_u8().await? == 5 {
            let count = stream.read_u8().await?.into();
            let mut methods = vec![0; count];
            stream.read_exact(&mut methods).await?;
            let method = if password.is_some() { 2 } else { 0 };
            if !methods.contains(&method) {
                return stream.write_all(&[5, 0xff]).await;
            }
            stream.write_all(&[5, method]).await?;
            if let Some(password) = password {
                assert_eq!(stream.read_u8().await?, 1);
                let user = text(&mut stream).await?;
                let said = text(&mut stream).await?;
                self.logins.fetch_add(1, Relaxed);
                let right = user == "alice" && said == password;
                stream.write_all(&[1, u8::from(!right)]).await?;
                if !right {
                    return Ok(());
                }
            }
            let mut head = [0; 4];
            stream.read_exact(&mut head).await?;
            let host = match head[3] {
                3 => text(&mut stream).await?,
                _ => std::net::Ipv4Addr::from(stream.read_u32().await?).to_string(),
            };
            self.note(&host, stream.read_u16().await?);
            // The answer, and the first of what the origin says, in one segment.
            let answer = [&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0][..], b"220 "].concat();
            let end = if reply == 0 { answer.len() } else { 10 };
            stream.write_all(&answer[..end]).await?;
        } else {
            assert_eq!(stream.read_u8().await?, 1);
            let port = stream.read_u16().await?;
            let ip = stream.read_u32().await?;
            assert_eq!(zero_ended(&mut stream).await?, "");
            let host = match ip {
                1 => zero_ended(&mut stream).await?,
                ip => std::net::Ipv4Addr::from(ip).to_string(),
            };
            self.note(&host, port);
            let code = if reply == 0 { 90 } else { 91 };
            stream.write_all(&[0, code, 0, 0, 0, 0, 0, 0]).await?;
            if reply == 0 {
                stream.write_all(b"220 ").await?;
            }
        }
        let mut heard = [0; 4096];
        while stream.read(&mut heard).await? > 0 {
            stream.write_all(b"in").await?;
        }
        Ok(())
    }

    fn note(&self, host: &str, port: u16) {
        let asked = format!("{host}:{port}");
        self.asked.lock().expect("asked").push(asked);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("asked").clone()
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }
}

async fn text(stream: &mut TcpStream) -> std::io::Result<String> {
    let length = stream.read_u8().await?.into();
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8(text).expect("text"))
}

async fn zero_ended(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = Vec::new();
    loop {
        match stream.read_u8().await? {
            0 => return Ok(String::from_utf8(text).expect("text")),
            byte => text.push(byte),
        }
    }
}

#[tokio::test]
async fn a_tunnel_through_each_kind_of_socks_loses_no_byte_that_comes_early() {
    for scheme in ["socks4", "socks4a", "socks5", "socks5h"] {
        let proxy = Socks::start(None, 0).await;
        let (engine, relay) = engine(through(&[proxy.url(scheme)])).await;
        let mut client = Client::connect(relay).await;
        // A name that our own resolver knows, for those that want an address.
        let names = ["socks4a", "socks5h"].contains(&scheme);
        let (to, told) = if names {
            ("a.test:443", "a.test:443")
        } else {
            ("192.0.2.7:443", "192.0.2.7:443")
        };
        let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        assert_eq!(client.ask(connect).await.status(), 200, "{scheme}");
        client.send("hello").await;
        assert_eq!(client.exactly(6).await, b"220 in", "{scheme}");
        assert_eq!(proxy.asked(), [told], "{scheme}");
        assert_eq!(engine.status().upstreams[0].last_error, None);
    }
}

#[tokio::test]
async fn a_plain_request_goes_to_the_origin_behind_a_socks_proxy_in_origin_form() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("socks5h://{}", listener.local_addr().expect("address"));
    let heads = tokio::spawn(async move {
        let mut heads = Vec::new();
        for host in ["a.test", "b.test"] {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut peer = Client::accepted(stream);
            peer.exactly(3).await;
            peer.send([5, 0]).await;
            let asked = peer.exactly(5 + host.len() + 2).await;
            assert_eq!(&asked[5..5 + host.len()], host.as_bytes());
            peer.send([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
            // Two requests to the same origin on the same connection.
            for _ in 0..2 {
                heads.push(peer.until(b"\r\n\r\n").await);
                peer.send(ok(host)).await;
            }
        }
        heads
    });
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    for host in ["a.test", "a.test", "b.test", "b.test"] {
        let answer = client.ask(get(&format!("http://{host}/x?y"))).await;
        assert_eq!(answer.body, host);
    }
    for head in heads.await.expect("heads") {
        assert!(head.starts_with("GET /x?y HTTP/1.1\r\nHost: "), "{head}");
        assert!(!head.to_ascii_lowercase().contains("proxy-"), "{head}");
    }
}

#[tokio::test]
async fn a_wrong_password_for_a_socks_proxy_is_tried_once_under_fifty_requests() {
    let proxy = Socks::start(Some("right"), 0).await;
    let url = format!("socks5h://alice@{}", proxy.address);
    let (engine, relay) = engine(through(&[url])).await;
    let attached = engine.attach("alice", 0).expect("attached");
    let lend = |password: &str| {
        let lent = LentCredentials {
            lease: attached.lease().into(),
            authority: proxy.address.to_string(),
            user: "alice".into(),
            password: password.into(),
            anew: false,
        };
        engine.lend(&lent).expect("lent");
    };
    lend("wr0ng:canary");
    let asks = (0..50).map(|_| async {
        let answer = Client::connect(relay).await.ask(CONNECT).await;
        (answer.status(), answer.body)
    });
    for (status, body) in futures_util::future::join_all(asks).await {
        assert_eq!(status, 407);
        assert!(body.contains("refused the user or password"), "{body}");
        assert!(!body.contains("canary"));
    }
    assert_eq!(proxy.logins.load(Relaxed), 1);
    lend("right");
    let asks = (0..50).map(|_| async { Client::connect(relay).await.ask(CONNECT).await.status() });
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

/// A host that lets nobody in and does not say so: the connections that it has room for stand.
fn silent() -> (socket2::Socket, Vec<socket2::Socket>, SocketAddr) {
    let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let listener = socket().expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    listener.bind(&any.into()).expect("a port");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound");
    let waiting = (0..4).map(|_| {
        let waiting = socket().expect("a socket");
        waiting.set_nonblocking(true).expect("an option");
        // Under way, or waiting for room.
        let _ = waiting.connect(&address);
        waiting
    });
    let waiting = waiting.collect();
    (listener, waiting, address.as_socket().expect("an address"))
}

#[tokio::test]
async fn nobody_waits_for_anothers_connection_to_a_proxy_that_is_silent() {
    let (_listener, _waiting, dead) = silent();
    let next = Peer::named("next").await;
    let ways = [format!("socks5h://alice@{dead}"), next.url()];
    let (engine, relay) = engine(through(&ways)).await;
    let attached = engine.attach("alice", 0).expect("attached");
    let lent = LentCredentials {
        lease: attached.lease().into(),
        authority: dead.to_string(),
        user: "alice".into(),
        password: "fresh".into(),
        anew: false,
    };
    engine.lend(&lent).expect("lent");
    let asks = (0..6).map(|_| async { Client::connect(relay).await.ask(CONNECT).await.status() });
    let together = futures_util::future::join_all(asks);
    // One after the other they would take 3 s each.
    let answers = tokio::time::timeout(std::time::Duration::from_secs(10), together).await;
    let answers = answers.expect("all at once");
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
}

#[tokio::test]
async fn what_a_socks_proxy_answers_is_said_to_the_client() {
    for (scheme, reply, status, said) in [
        ("socks5h", 2, 403, "its rules do not allow it"),
        ("socks5h", 5, 502, "the host refused the connection"),
        ("socks5h", 6, 504, "the way there is too long"),
        ("socks4a", 1, 502, "it failed or is refused"),
    ] {
        let proxy = Socks::start(None, reply).await;
        let next = Socks::start(None, 0).await;
        let ways = [proxy.url(scheme), next.url("socks5h")];
        let (engine, relay) = engine(through(&ways)).await;
        let answer = Client::connect(relay).await.ask(CONNECT).await;
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(answer.body.contains(said), "{answer:?}");
        let error = engine.status().upstreams.remove(0).last_error;
        assert_eq!(error.expect("an error").code, "connect_refused");
        assert!(next.asked().is_empty(), "an answer is final");
    }
    // One that wants a password, and nobody told us of a user.
    let proxy = Socks::start(Some("right"), 0).await;
    let (_engine, relay) = engine(through(&[proxy.url("socks5h")])).await;
    let answer = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(answer.status(), 407, "{answer:?}");
    // And one that is none at all.
    let other = scripted(|mut peer| async move { peer.send("HTTP/1.1 400 No\r\n\r\n").await });
    let url = other.await.replace("http://", "socks5h://");
    let (_engine, relay) = engine(through(&[url])).await;
    let answer = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(answer.status(), 502, "{answer:?}");
}
