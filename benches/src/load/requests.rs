//! Plain HTTP through an explicit proxy, on connections that are kept where the proxy keeps them.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connections::{Done, repeat};
use super::{Client, PATIENCE, field};
use crate::error::Result;
use crate::origin::{BODY, HTTP};

/// How many clients ask at the same time.
const CLIENTS: usize = 32;

struct Kept {
    client: Client,
    idle: RefCell<Vec<TcpStream>>,
}

/// Asks one origin for `time`.
pub(crate) async fn run(client: Client, time: Duration) -> Result<Done> {
    let kept = Rc::new(Kept {
        client,
        idle: RefCell::default(),
    });
    tokio::task::LocalSet::new()
        .run_until(repeat(CLIENTS, time, kept, |kept| async move {
            tokio::time::timeout(PATIENCE, ask(&kept)).await?
        }))
        .await
}

/// One request and its whole answer. A kept connection that its other end has closed meanwhile
/// (tinyproxy does, without a word) is replaced, as clients do (RFC 9112, 9.3.1).
async fn ask(kept: &Kept) -> io::Result<()> {
    let idle = kept.idle.borrow_mut().pop();
    if let Some(stream) = idle {
        match ask_on(stream, kept).await {
            Err(error) if is_closed(&error) => {}
            asked => return asked,
        }
    }
    let origin = SocketAddr::from((kept.client.origins[0], HTTP));
    let stream = TcpStream::connect(kept.client.proxy.unwrap_or(origin)).await?;
    ask_on(stream, kept).await
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotConnected | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

async fn ask_on(mut stream: TcpStream, kept: &Kept) -> io::Result<()> {
    let origin = SocketAddr::from((kept.client.origins[0], HTTP));
    let target = match kept.client.proxy {
        Some(_) => format!("http://{origin}/"),
        None => "/".into(),
    };
    let request = format!("GET {target} HTTP/1.1\r\nHost: {origin}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(4096);
    let head = loop {
        if stream.read_buf(&mut answer).await? == 0 {
            let cut = if answer.is_empty() {
                io::ErrorKind::NotConnected
            } else {
                io::ErrorKind::UnexpectedEof
            };
            return Err(cut.into());
        }
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    if !matches!(answer.get(..12), Some(b"HTTP/1.1 200" | b"HTTP/1.0 200")) {
        return Err(io::Error::other(
            String::from_utf8_lossy(&answer).into_owned(),
        ));
    }
    while answer.len() < head + BODY {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let closes = field(&answer[..head], "connection")
        .map_or_else(|| answer.starts_with(b"HTTP/1.0"), |value| value == "close");
    if !closes {
        kept.idle.borrow_mut().push(stream);
    }
    Ok(())
}
