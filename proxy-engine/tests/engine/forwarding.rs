//! What a message says after it went through.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine, through};

#[tokio::test]
async fn hop_by_hop_fields_stay_here_and_the_rest_keeps_order_and_spelling() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 299 Odd\r\nx-Z: 1\r\nConnection: x-gone\r\nX-Gone: 1\r\nContent-Length: 2\r\nX-A: 2\r\n\r\nhi".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let response = client
        .ask(
            "FROB http://a.test/ HTTP/1.1\r\nx-Two: 2\r\nhOST: other.test\r\nConnection: X-Hop\r\n\
             X-Hop: 1\r\nProxy-Authorization: Basic Y2FuYXJ5\r\nProxy-Connection: keep-alive\r\n\
             Keep-Alive: 5\r\nTE: trailers\r\nX-One: 1\r\n\r\n",
        )
        .await;
    let head = proxy.heads().remove(0);
    let (sent, via) = head.rsplit_once("Via: 1.1 gangway-").expect("Via");
    assert_eq!(
        sent,
        "FROB http://a.test/ HTTP/1.1\r\nx-Two: 2\r\nhOST: a.test\r\nX-One: 1\r\n"
    );
    assert_eq!(via.matches("\r\n").count(), 2, "{via:?}");
    let (head, _) = response.head.split_once("Via: 1.1 gangway-").expect("Via");
    assert_eq!(
        head,
        "HTTP/1.1 299 Odd\r\nx-Z: 1\r\nContent-Length: 2\r\nX-A: 2\r\n"
    );
    assert_eq!(response.body, "hi");
}

#[tokio::test]
async fn chunks_go_both_ways_with_their_trailers() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: no\r\n\r\n"
            .to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    client.until(b"\r\n\r\n").await;
    let body = client.until(b"\r\n\r\n").await;
    assert_eq!(body, "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(client.ask(get("http://a.test/")).await.status(), 200);
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks_and_a_close() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    client.send("GET http://a.test/ HTTP/1.0\r\n\r\n").await;
    let (bytes, ended) = client.rest().await;
    let text = String::from_utf8(bytes).expect("text");
    assert!(
        text.ends_with("Connection: close\r\n\r\nhello") && ended.is_ok(),
        "{text}"
    );
    assert!(
        proxy.heads()[0].contains("\r\nHost: a.test\r\n")
            || proxy.heads()[0].contains("HTTP/1.1\r\nHost: a.test\r\n")
    );
}

#[tokio::test]
async fn a_truncated_response_is_never_delivered_as_a_whole_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhal",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhel",
    ] {
        let proxy = Peer::start(move |_| answer.as_bytes().to_vec()).await;
        let (_engine, relay) = engine(through(&[proxy.url()])).await;
        let mut client = Client::connect(relay).await;
        client.send(get("http://a.test/")).await;
        let (bytes, ended) = client.rest().await;
        let text = String::from_utf8_lossy(&bytes);
        assert!(ended.is_err(), "a clean end after {text}");
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    }
}

#[tokio::test]
async fn a_close_delimited_response_that_is_reset_ends_in_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let (cut, wait) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            .await
            .expect("write");
        wait.await.expect("signal");
        socket2::SockRef::from(&stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .expect("linger");
    });
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    client.send(get("http://a.test/")).await;
    client.until(b"half").await;
    cut.send(()).expect("signal");
    let (_, ended) = client.rest().await;
    assert!(ended.is_err(), "a clean end");
}

#[tokio::test]
async fn the_head_goes_on_before_the_body_so_that_100_continue_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move {
        let mut origin = Client::accepted(listener.accept().await.expect("accept").0);
        let head = origin.until(b"\r\n\r\n").await;
        assert!(head.contains("Expect: 100-continue"), "{head}");
        origin.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert_eq!(origin.exactly(4).await, b"body");
        origin.send(ok("done")).await;
    });
    let (_engine, relay) = engine(through(&[url])).await;
    let mut client = Client::connect(relay).await;
    let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(client.ask(head).await.status(), 100);
    assert_eq!(client.ask("body").await.body, "done");
}

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst".to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let response = client
        .ask("GET http://a.test/ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert_eq!(response.status(), 101);
    assert!(
        response.head.contains("\r\nUpgrade: websocket\r\n"),
        "{}",
        response.head
    );
    client.send("frames").await;
    assert_eq!(client.exactly(11).await, b"firstframes");
    assert!(proxy.heads()[0].contains("\r\nConnection: Upgrade\r\n"));
}

#[tokio::test]
async fn what_speaks_of_one_connection_is_removed_however_it_is_listed() {
    let proxy = Peer::start(|_| {
        b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nX-A: 1\r\nconnection: x-a\r\nKeep-Alive: timeout=5\r\n\
          Proxy-Connection: keep-alive, X-B\r\nX-B: 2\r\nTE: x\r\nProxy-Authenticate: Basic\r\n\
          Proxy-Authentication-Info: x\r\nX-Last: 3\r\nVia: 1.1 other\r\nContent-Length: 2\r\n\r\nhi"
            .to_vec()
    })
    .await;
    let (_engine, relay) = engine(through(&[proxy.url()])).await;
    let mut client = Client::connect(relay).await;
    let response = client
        .ask(
            "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nX-A: 1\r\nx-a: 2\r\n\
             X-B: 3\r\nX-C: 4\r\nConnection: , x-a ,,\r\nHTTP2-Settings: AA\r\nX-Last: 5\r\n\
             Connection: X-B\r\nProxy-Connection: x-c, Host, Content-Length\r\nProxy-Authenticate: x\r\n\r\n",
        )
        .await;
    let head = proxy.heads().remove(0);
    let (sent, _) = head.rsplit_once("Via: 1.1 gangway-").expect("Via");
    assert_eq!(
        sent,
        "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX-Last: 5\r\n"
    );
    assert_eq!(head.matches("Via:").count(), 1, "{head}");
    let (head, _) = response.head.split_once("Via: 1.1 gangway-").expect("Via");
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\nX-Last: 3\r\nVia: 1.1 other\r\nContent-Length: 2\r\n"
    );
}

#[tokio::test]
async fn a_client_that_sends_on_after_a_refusal_reads_it_whole() {
    let (_engine, relay) = engine(through(&["http://127.0.0.1:9".into()])).await;
    let mut client = Client::connect(relay).await;
    let (mut read, mut write) = client.stream.split();
    // Bytes that nobody reads would make a reset of the close, and the reset would outrun the
    // answer.
    let send = async {
        let head = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n";
        write.write_all(head.as_bytes()).await.expect("sent");
        let block = vec![b'x'; 64 * 1024];
        for _ in 0..64 {
            write.write_all(&block).await.expect("sent");
        }
        write.shutdown().await.expect("shutdown");
    };
    let mut answer = Vec::new();
    let receive = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut answer);
    let both = async { tokio::join!(send, receive) };
    let ((), ended) = tokio::time::timeout(crate::DEADLINE, both)
        .await
        .expect("in time");
    ended.expect("a clean end");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("one decimal number\n"), "{answer}");
}
