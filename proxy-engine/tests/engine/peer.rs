//! The other side: an origin or an upstream that answers by script and remembers what it heard.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;

/// A scripted peer.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Answers each request with what `answer` makes of its head; after a 2xx to CONNECT it
    /// echoes. An answer with `Connection: close`, or none, ends the connection.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (answer, seen) = (Arc::new(answer), Arc::clone(&heads));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Relaxed);
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(async move { converse(stream, &*answer, &seen).await });
            }
        });
        Self {
            address,
            heads,
            connections,
        }
    }

    /// Answers everything with 200 and its own name.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::start(move |head| {
            if head.starts_with("CONNECT") {
                return b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
            }
            ok(name)
        })
        .await
    }

    /// Every head so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("heads").clone()
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Every request line so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let heads = self.heads();
        heads
            .iter()
            .map(|head| head.lines().next().unwrap_or_default().to_owned())
            .collect()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A peer that does as the script says on each connection; its URL.
pub(crate) async fn scripted<F>(script: impl Fn(Client) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(Client::accepted(stream)));
        }
    });
    url
}

/// 200 with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn converse(
    mut stream: TcpStream,
    answer: &(impl Fn(&str) -> Vec<u8> + Sync),
    seen: &Mutex<Vec<String>>,
) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = read.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            match stream.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        read.drain(..end);
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0_usize);
        while read.len() < length {
            match stream.read_buf(&mut read).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        read.drain(..length);
        let answer = answer(&head);
        seen.lock().expect("heads").push(head.clone());
        if answer.is_empty() || stream.write_all(&answer).await.is_err() {
            return;
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        let tunnel = head.starts_with("CONNECT") && text.starts_with("HTTP/1.1 2")
            || text.starts_with("HTTP/1.1 101");
        if tunnel {
            echo(stream, read).await;
            return;
        }
        if text.contains("Connection: close") {
            return;
        }
    }
}

async fn echo(mut stream: TcpStream, first: Vec<u8>) {
    let mut buffer = vec![0; 16 * 1024];
    if stream.write_all(&first).await.is_err() {
        return;
    }
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
