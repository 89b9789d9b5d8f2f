//! What the origin answers.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{State, serve};

/// Answers the request that begins with `head`.
pub(super) fn write(
    to: &mut impl Write,
    head: &str,
    scheme: &str,
    state: &State,
) -> io::Result<()> {
    let mut line = head.split_whitespace();
    let (method, target) = (line.next().unwrap_or(""), line.next().unwrap_or(""));
    let mut parts = target.trim_start_matches('/').split('/');
    let what = parts.next().unwrap_or("");
    let count: u64 = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    match what {
        "hello" => {
            let host = serve::header(head, "host").unwrap_or("");
            let body = format!("hello from {scheme}://{host}\n");
            sized(to, "200 OK", body.len() as u64)?;
            if method != "HEAD" {
                to.write_all(body.as_bytes())?;
            }
        }
        "bytes" => {
            sized(to, "200 OK", count)?;
            io::copy(&mut io::Read::take(io::repeat(b'g'), count), to)?;
        }
        "slow" => {
            chunked(to)?;
            for _ in 0..count {
                chunk(to, &[b'g'; 1024])?;
                thread::sleep(Duration::from_millis(50));
            }
            to.write_all(b"0\r\n\r\n")?;
        }
        "held" => {
            chunked(to)?;
            // At least one, however soon it is released.
            chunk(to, &[b'g'; 16 * 1024])?;
            while !state.released.load(Ordering::Acquire) && !state.stopped.load(Ordering::Acquire)
            {
                thread::sleep(Duration::from_millis(20));
                chunk(to, &[b'g'; 16 * 1024])?;
            }
            to.write_all(b"0\r\n\r\n")?;
        }
        _ => sized(to, "404 Not Found", 0)?,
    }
    to.flush()
}

fn sized(to: &mut impl Write, status: &str, length: u64) -> io::Result<()> {
    write!(
        to,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn chunked(to: &mut impl Write) -> io::Result<()> {
    to.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
}

fn chunk(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write!(to, "{:x}\r\n", bytes.len())?;
    to.write_all(bytes)?;
    to.write_all(b"\r\n")?;
    to.flush()
}
