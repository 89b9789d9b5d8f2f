//! What stands at the far end: origins, and a company's proxy that is an origin itself.
//!
//! The proxy answers a CONNECT and then serves the same socket as the origin would, so that no
//! second relay limits the ways that go through it. The first byte of every answer tells how the
//! connection came: [`BY_CONNECT`], or the last octet of the address that it reached.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use testbed::net::PROXY;
use testbed::{Netns, Row};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::error::{BenchError, Result};
use crate::hello::{Command, LENGTH};

/// The answer's first byte where a CONNECT came first.
pub(crate) const BY_CONNECT: u8 = 0;
/// The company's proxy.
pub(crate) const UPSTREAM: SocketAddr = SocketAddr::V4(SocketAddrV4::new(PROXY, 3128));
/// What answers TLS, on every address of `corp`.
pub(crate) const TLS: u16 = 443;
/// What answers plain HTTP, on every address of `corp`.
pub(crate) const HTTP: u16 = 80;
/// Bytes of a plain HTTP answer's body.
pub(crate) const BODY: usize = 1024;

/// How many addresses the origins have: with the client closing first, an address can be dialled
/// some 470 times a second before a namespace's ports run out.
const ADDRESSES: u8 = 32;
const QUEUE: u32 = 4096;
const PAUSE: Duration = Duration::from_millis(50);
const BLOCK: usize = 256 * 1024;

/// The origins' addresses: none is the company's own.
pub(crate) fn addresses() -> Vec<Ipv4Addr> {
    (10..10 + ADDRESSES)
        .map(|last| Ipv4Addr::new(203, 0, 113, last))
        .collect()
}

/// Serves in a thread of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Origin {
    /// Starts them all in `row.corp`.
    pub(crate) fn start(row: &Row) -> Result<Self> {
        let (end, ended) = oneshot::channel();
        let thread = spawn_in(&row.corp, move |runtime| {
            let serving = runtime.block_on(async {
                Ok::<_, io::Error>([
                    (
                        listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, TLS)))?,
                        Kind::Tls,
                    ),
                    (
                        listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, HTTP)))?,
                        Kind::Http,
                    ),
                    (listen(UPSTREAM)?, Kind::Upstream),
                ])
            })?;
            Ok(move |runtime: &tokio::runtime::Runtime| {
                for (listener, kind) in serving {
                    runtime.spawn(accept(listener, kind));
                }
                // Dropped by its owner, or sent: both mean the end.
                let _ = runtime.block_on(ended);
            })
        })?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and no figure came of it.
            let _ = thread.join();
        }
    }
}

/// Starts a thread inside with a runtime of its own: `prepare` may fail, what it returns runs on.
fn spawn_in<S>(
    netns: &Netns,
    prepare: impl FnOnce(&tokio::runtime::Runtime) -> io::Result<S> + Send,
) -> Result<thread::JoinHandle<()>>
where
    S: FnOnce(&tokio::runtime::Runtime) + Send + 'static,
{
    let started = netns.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serve = prepare(&runtime)?;
        thread::Builder::new()
            .name("origin".into())
            .spawn(move || serve(&runtime))
    })?;
    started.map_err(BenchError::io("start the origins"))
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Tls,
    Http,
    Upstream,
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

async fn accept(listener: TcpListener, kind: Kind) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A client that leaves early ends its connection: nobody else is concerned.
                tokio::spawn(async move {
                    let _ = match kind {
                        Kind::Tls => serve(stream, None).await,
                        Kind::Upstream => serve_connect(stream).await,
                        Kind::Http => serve_http(stream).await,
                    };
                });
            }
            Err(error) => {
                eprintln!("origin: accept: {error}");
                // Out of files, it would spin and take the processor from what is measured.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// RFC 9110, 9.3.6.
async fn serve_connect(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    if !head.starts_with(b"CONNECT ") {
        return stream
            .write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            .await;
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    serve(stream, Some(BY_CONNECT)).await
}

async fn serve(mut stream: TcpStream, came: Option<u8>) -> io::Result<()> {
    let came = match (came, stream.local_addr()?) {
        (Some(came), _) => came,
        (None, SocketAddr::V4(at)) => at.ip().octets()[3],
        (None, SocketAddr::V6(_)) => return Ok(()),
    };
    let mut hello = [0; LENGTH];
    stream.read_exact(&mut hello).await?;
    match Command::read(&hello) {
        Some(Command::Close) => stream.write_all(&[came]).await,
        Some(Command::Echo) => {
            stream.set_nodelay(true)?;
            stream.write_all(&[came]).await?;
            echo(stream).await
        }
        Some(Command::Stream) => {
            let mut block = vec![0; BLOCK];
            block[0] = came;
            loop {
                stream.write_all(&block).await?;
            }
        }
        Some(Command::Sums) => {
            stream.write_all(&[came]).await?;
            crate::sums::answer(stream).await
        }
        None => Ok(()),
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let mut piece = [0; 64];
        match stream.try_read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(_) => stream.write_all(&piece[..1]).await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The same answer to every request, on a kept connection unless the client will not keep it.
async fn serve_http(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {BODY}\r\n\r\n")
            .into_bytes();
    answer.resize(answer.len() + BODY, b'.');
    let mut head = Vec::with_capacity(1024);
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(&answer).await?;
        if crate::load::field(&head, "connection").is_some_and(|value| value == "close") {
            return Ok(());
        }
        head.clear();
    }
}
