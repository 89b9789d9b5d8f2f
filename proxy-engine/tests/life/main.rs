//! How an engine lives and ends, kept on the program itself: short of descriptors, told to end,
//! followed by another.

#![cfg(target_os = "linux")]

mod descriptors;
mod drain;
mod flood;
mod memory;
mod program;
mod service;
mod suspend;
mod systemd;
mod take_over;
mod threads;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Nothing here takes longer, unless it hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `so` gives something.
async fn until<T>(what: &str, mut so: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        loop {
            looks.tick().await;
            if let Some(seen) = so().await {
                return seen;
            }
        }
    };
    let seen = tokio::time::timeout(DEADLINE, wait).await;
    seen.unwrap_or_else(|_| panic!("never: {what}"))
}

/// An origin that gives back what it gets.
async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // It ends as the client does.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// A tunnel to the origin.
async fn tunnel(relay: SocketAddr, origin: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(relay).await?;
    let connect = format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await?;
    let head = head(&mut stream).await?;
    if head.starts_with("HTTP/1.1 200 ") {
        Ok(stream)
    } else {
        Err(io::Error::other(head))
    }
}

/// A head, and not a byte more.
async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// Whether what is said comes back.
async fn echoes(stream: &mut TcpStream, said: &str) -> io::Result<()> {
    stream.write_all(said.as_bytes()).await?;
    let mut heard = vec![0; said.len()];
    stream.read_exact(&mut heard).await?;
    assert_eq!(heard, said.as_bytes());
    Ok(())
}
