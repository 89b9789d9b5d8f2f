//! A WebSocket client and server of their own make, and the engine between them.

#[path = "../websocket/conversation.rs"]
pub(crate) mod conversation;

use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use self::conversation::{Socket, close, echo, everything, no_text};
use crate::client::Client;
use crate::peer::scripted;
use crate::{engine, through};

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// CONNECT, and the handshake inside.
    Tunnel,
    /// The handshake in absolute form, for the engine to pass on.
    Upgrade,
}

/// A server behind an upstream, and how its conversations ended.
async fn server(way: Way) -> (String, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let url = scripted(move |mut upstream| {
        let tell = tell.clone();
        async move {
            if way == Way::Tunnel {
                upstream.until(b"\r\n\r\n").await;
                upstream.send("HTTP/1.1 200 OK\r\n\r\n").await;
            }
            let ended = echo(upstream.stream).await;
            tell.send(ended).expect("test lives");
        }
    })
    .await;
    (url, told)
}

/// A client that has shaken hands. The key and what becomes of it stand in RFC 6455, section 1.3.
async fn client(relay: std::net::SocketAddr, way: Way) -> Socket {
    let mut client = Client::connect(relay).await;
    let target = match way {
        Way::Upgrade => "http://a.test/chat",
        Way::Tunnel => {
            let connect = "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n";
            assert_eq!(client.ask(connect).await.status(), 200);
            "/chat"
        }
    };
    let shake = format!(
        "GET {target} HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    client.send(shake).await;
    let head = client.until(b"\r\n\r\n").await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for field in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
    ] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
    }
    WebSocketStream::from_raw_socket(client.stream, Role::Client, None).await
}

#[tokio::test]
async fn a_websocket_says_everything_it_can_through_a_tunnel_and_through_an_upgrade() {
    for way in [Way::Tunnel, Way::Upgrade] {
        let (url, mut ended) = server(way).await;
        let (_engine, relay) = engine(through(&[url])).await;
        let mut socket = client(relay, way).await;
        everything(&mut socket).await;
        close(socket, 1000).await;
        assert_eq!(ended.recv().await.as_deref(), Some("1000"), "{way:?}");
    }
}

#[tokio::test]
async fn every_close_code_arrives_and_is_answered_after_the_client_has_half_closed() {
    for way in [Way::Tunnel, Way::Upgrade] {
        let (url, mut ended) = server(way).await;
        let (engine, relay) = engine(through(&[url])).await;
        for code in [
            1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999,
        ] {
            close(client(relay, way).await, code).await;
            let told = ended.recv().await;
            assert_eq!(told, Some(code.to_string()), "{way:?}");
        }
        crate::until("every connection ends", || {
            engine.status().connections.open == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_arrives_as_it_is() {
    for way in [Way::Tunnel, Way::Upgrade] {
        let (url, mut ended) = server(way).await;
        let (_engine, relay) = engine(through(&[url])).await;
        no_text(client(relay, way).await).await;
        assert_eq!(ended.recv().await.as_deref(), Some("not UTF-8"), "{way:?}");
    }
}
