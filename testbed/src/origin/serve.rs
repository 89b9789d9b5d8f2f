//! Accepting connections and speaking HTTP/1.1 on them, one thread each.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Seen, State, answer};

/// A head larger than this is not one of ours.
const MAX_HEAD: u64 = 64 * 1024;

/// Serves `listener` on threads of its own until the origin is dropped.
pub(super) fn accept(listener: TcpListener, tls: Option<Arc<ServerConfig>>, state: &Arc<State>) {
    let state = Arc::clone(state);
    thread::spawn(move || {
        // Woken now and then to see whether the origin is still wanted.
        if listener.set_nonblocking(true).is_err() {
            return;
        }
        while !state.stopped.load(Ordering::Acquire) {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let (tls, state) = (tls.clone(), Arc::clone(&state));
                    // A connection that breaks is the client's affair: it is what tests look at.
                    thread::spawn(move || drop(connection(stream, peer, tls, &state)));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    });
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    state: &State,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let Some(config) = tls else {
        return requests(BufReader::new(stream), peer, "http", state);
    };
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    requests(
        BufReader::new(StreamOwned::new(session, stream)),
        peer,
        "https",
        state,
    )
}

fn requests(
    mut stream: BufReader<impl Read + Write>,
    peer: SocketAddr,
    scheme: &'static str,
    state: &State,
) -> io::Result<()> {
    loop {
        let head = head(&mut stream)?;
        if head.is_empty() {
            return Ok(());
        }
        let seen = Seen {
            peer,
            scheme,
            head: head.clone(),
        };
        state
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
        // A body is read and forgotten, so that the next request starts at its own head.
        let length = header(&head, "content-length")
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        io::copy(&mut stream.by_ref().take(length), &mut io::sink())?;
        answer::write(stream.get_mut(), &head, scheme, state)?;
        if header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            return Ok(());
        }
    }
}

/// Reads one request head with its empty line; an empty string at the end of the stream.
pub(crate) fn head(stream: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    let mut limited = stream.by_ref().take(MAX_HEAD);
    while !head.ends_with("\r\n\r\n") {
        if limited.read_line(&mut head)? == 0 {
            return if head.is_empty() {
                Ok(head)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
    }
    Ok(head)
}

/// The value of a header, without the spaces around it.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
