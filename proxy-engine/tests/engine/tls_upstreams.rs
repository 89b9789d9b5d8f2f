//! Proxies that are spoken to inside of TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use proxy_engine::config::EngineConfig;
use proxy_engine::engine::Engine;
use testbed::Ca;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::server::TlsStream;

use crate::client::{Client, get};
use crate::peer::scripted;
use crate::{engine_with, through};

const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";

/// How the proxy ends a tunnel whose client has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As TLS wants it.
    Notified,
    /// The connection just ends, as somebody on the way could make it.
    Cut,
}

/// The name that a client asked for, and whether its session was resumed.
type Hello = (Option<String>, Option<HandshakeKind>);

/// A proxy behind TLS: it answers a GET with its request line, and echoes in tunnels.
struct TlsProxy {
    port: u16,
    hellos: Arc<Mutex<Vec<Hello>>>,
    file: tempfile::NamedTempFile,
}

impl TlsProxy {
    async fn start(names: &[&str], end: End) -> Self {
        let ca = Ca::new().expect("an authority");
        let server = ca.issue(names).and_then(|certificate| certificate.server());
        let acceptor = TlsAcceptor::from(server.expect("a certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let hellos = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&hellos);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    // A client that does not trust it hangs up.
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let hello = stream.get_ref().1;
                    let name = hello.server_name().map(str::to_owned);
                    let hello = (name, hello.handshake_kind());
                    seen.lock().expect("hellos").push(hello);
                    converse(stream, end).await;
                });
            }
        });
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), ca.pem()).expect("written");
        Self { port, hellos, file }
    }

    /// An engine that goes through it under this name, and trusts its authority.
    async fn engine(&self, host: &str) -> (Engine, SocketAddr) {
        let config = EngineConfig {
            upstream_ca: Some(self.file.path().to_owned()),
            ..EngineConfig::default()
        };
        let url = format!("https://{host}:{}", self.port);
        engine_with(config, through(&[url])).await
    }
}

async fn converse(mut stream: TlsStream<TcpStream>, end: End) {
    loop {
        let Some(request) = head(&mut stream).await else {
            return;
        };
        let line = request.lines().next().unwrap_or_default().to_owned();
        if !line.starts_with("CONNECT") {
            let length = line.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{line}");
            stream.write_all(answer.as_bytes()).await.expect("sent");
            stream.flush().await.expect("sent");
            continue;
        }
        let early = b"HTTP/1.1 200 OK\r\n\r\nearly ";
        stream.write_all(early).await.expect("sent");
        stream.flush().await.expect("sent");
        let mut sent = Vec::new();
        // Its end, by `close_notify`, leaves us speaking.
        stream.read_to_end(&mut sent).await.expect("ended well");
        stream.write_all(&sent).await.expect("sent");
        stream.flush().await.expect("sent");
        if end == End::Notified {
            stream.shutdown().await.expect("ended");
        }
        return;
    }
}

async fn head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

#[tokio::test]
async fn a_tunnel_inside_of_tls_carries_every_byte_and_each_end_by_itself() {
    let proxy = TlsProxy::start(&["localhost"], End::Notified).await;
    let (_engine, relay) = proxy.engine("localhost").await;
    // More than any buffer on the way holds: the proxy answers once it has heard all of it.
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(CONNECT).await.status(), 200);
    client.send(&sent).await;
    client.stream.shutdown().await.expect("ended");
    let (heard, ended) = client.rest().await;
    assert!(ended.is_ok(), "{ended:?}");
    assert!(heard == [b"early ", &sent[..]].concat(), "{}", heard.len());
}

#[tokio::test]
async fn the_proxy_is_asked_for_by_its_name_and_sessions_are_resumed() {
    let proxy = TlsProxy::start(&["localhost"], End::Notified).await;
    let (engine, relay) = proxy.engine("localhost").await;
    for _ in 0..2 {
        let mut client = Client::connect(relay).await;
        assert_eq!(client.ask(CONNECT).await.status(), 200);
        // The ticket comes behind the handshake: with the first byte of the tunnel it is there.
        client.until(b"early ").await;
    }
    let hellos = proxy.hellos.lock().expect("hellos").clone();
    let name = Some("localhost".to_owned());
    let kinds = [HandshakeKind::Full, HandshakeKind::Resumed];
    assert_eq!(hellos, kinds.map(|kind| (name.clone(), Some(kind))));
    assert_eq!(engine.status().upstreams[0].last_error, None);
}

#[tokio::test]
async fn plain_requests_go_inside_of_tls_in_absolute_form_on_one_connection() {
    let proxy = TlsProxy::start(&["localhost"], End::Notified).await;
    let (_engine, relay) = proxy.engine("localhost").await;
    let mut client = Client::connect(relay).await;
    for path in ["x", "y"] {
        let url = format!("http://a.test/{path}");
        let response = client.ask(get(&url)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body, format!("GET {url} HTTP/1.1"));
    }
    assert_eq!(proxy.hellos.lock().expect("hellos").len(), 1);
}

#[tokio::test]
async fn a_tunnel_that_is_cut_inside_of_tls_is_no_finished_one() {
    let proxy = TlsProxy::start(&["localhost"], End::Cut).await;
    let (_engine, relay) = proxy.engine("localhost").await;
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(CONNECT).await.status(), 200);
    client.send("half ").await;
    client.stream.shutdown().await.expect("ended");
    let (_, ended) = client.rest().await;
    assert_eq!(
        ended.expect_err("a reset").kind(),
        std::io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_proxy_that_does_not_prove_who_it_is_hears_of_no_request() {
    let proxy = TlsProxy::start(&["proxy.test"], End::Notified).await;
    let (engine, relay) = proxy.engine("localhost").await;
    let response = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(response.status(), 502);
    assert!(
        response.body.contains("it is for another name"),
        "{response:?}"
    );
    let code = |engine: &Engine| {
        let error = engine.status().upstreams.remove(0).last_error;
        error.expect("an error").code
    };
    assert_eq!(code(&engine), "upstream_certificate");

    // The right name, but nobody vouches for it.
    let right = TlsProxy::start(&["localhost"], End::Notified).await;
    let url = format!("https://localhost:{}", right.port);
    let (engine, relay) = engine_with(EngineConfig::default(), through(&[url])).await;
    for request in [CONNECT.to_owned(), get("http://a.test/")] {
        let response = Client::connect(relay).await.ask(request).await;
        assert_eq!(response.status(), 502);
        assert!(response.body.contains("--upstream-ca"), "{response:?}");
    }
    assert_eq!(code(&engine), "upstream_certificate");
    assert!(right.hellos.lock().expect("hellos").is_empty());
}

#[tokio::test]
async fn a_proxy_that_speaks_in_clear_is_named_as_one() {
    let proxy = scripted(|mut peer| async move { peer.send("HTTP/1.1 400 No\r\n\r\n").await });
    let url = proxy.await.replace("http://", "https://");
    let (engine, relay) = engine_with(EngineConfig::default(), through(&[url])).await;
    let response = Client::connect(relay).await.ask(CONNECT).await;
    assert_eq!(response.status(), 502);
    assert!(response.body.contains("write http://"), "{response:?}");
    let error = engine.status().upstreams.remove(0).last_error;
    assert_eq!(error.expect("an error").code, "upstream_tls");
}
