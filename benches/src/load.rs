//! The load: clients in the pod, one thread of them.

pub(crate) mod bulk;
pub(crate) mod connections;
pub(crate) mod held;
pub(crate) mod latency;
pub(crate) mod pace;
pub(crate) mod requests;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::hello::Command;
use crate::origin::{TLS, addresses};

/// The name in every ClientHello.
const NAME: &str = "web.example.test";
/// A connection that is not through by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What opens connections the way that is measured.
#[derive(Debug)]
pub(crate) struct Client {
    proxy: Option<SocketAddr>,
    expected: fn(Ipv4Addr) -> u8,
    origins: Vec<Ipv4Addr>,
    next: Cell<usize>,
    hellos: [(Command, Vec<u8>); 4],
    patience: Duration,
}

impl Client {
    /// With the explicit proxy to ask, and the first byte of an answer that came the right way.
    pub(crate) fn new(proxy: Option<SocketAddr>, expected: fn(Ipv4Addr) -> u8) -> Self {
        Self {
            proxy,
            expected,
            origins: addresses(),
            next: Cell::new(0),
            hellos: Command::ALL.map(|(_, command)| (command, command.hello(NAME))),
            patience: PATIENCE,
        }
    }

    /// The same, with this long for a connection to be through.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A new connection to the next origin with the answer's first byte read and judged.
    pub(crate) async fn open(&self, command: Command) -> io::Result<TcpStream> {
        let origin = self.next_origin();
        let opening = async {
            let to = SocketAddr::from((origin, TLS));
            let mut stream = match self.proxy {
                None => TcpStream::connect(to).await?,
                Some(proxy) => tunnel(proxy, to).await?,
            };
            stream.write_all(self.hello(command)).await?;
            let came = stream.read_u8().await?;
            let expected = (self.expected)(origin);
            if came == expected {
                Ok(stream)
            } else {
                Err(io::Error::other(format!(
                    "the answer came another way: {came} instead of {expected}"
                )))
            }
        };
        tokio::time::timeout(self.patience, opening)
            .await
            .unwrap_or_else(|late| Err(late.into()))
    }

    /// A whole connection: opened, answered, closed. With [`Command::Close`] the origin closes
    /// first, and its end is waited for.
    pub(crate) async fn exchange(&self, command: Command) -> io::Result<()> {
        let mut stream = self.open(command).await?;
        if command != Command::Close {
            return Ok(());
        }
        match tokio::time::timeout(self.patience, stream.read(&mut [0])).await? {
            Ok(0) => Ok(()),
            Ok(_) => Err(io::Error::other("more than was sent")),
            Err(error) => Err(error),
        }
    }

    fn hello(&self, command: Command) -> &[u8] {
        let found = self.hellos.iter().find(|(known, _)| *known == command);
        found.map_or(&[], |(_, hello)| hello)
    }

    fn next_origin(&self) -> Ipv4Addr {
        let next = self.next.get();
        self.next.set(next + 1);
        self.origins[next % self.origins.len()]
    }
}

/// RFC 9110, 9.3.6.
async fn tunnel(proxy: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(proxy).await?;
    let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await?;
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    match head.get(..12) {
        Some(b"HTTP/1.1 200" | b"HTTP/1.0 200") => Ok(stream),
        _ => Err(io::Error::other(
            String::from_utf8_lossy(&head).into_owned(),
        )),
    }
}

/// The value of the field `name` (lower case) in a head, in lower case.
pub(crate) fn field(head: &[u8], name: &str) -> Option<String> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        found
            .eq_ignore_ascii_case(name.as_bytes())
            .then(|| String::from_utf8_lossy(value).trim().to_ascii_lowercase())
    })
}
