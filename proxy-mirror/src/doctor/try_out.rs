//! What happens when a URL is asked for through the engine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ExplainError;
use super::explain::url::Target;
use crate::control::{Said, Tried};

/// A client would give up, too.
const PATIENCE: Duration = Duration::from_secs(30);
/// No status line is longer.
const LINE: u64 = 8 * 1024;

/// Asks the engine at `relay` for `url` as a client would: for a tunnel, or for the head of the
/// resource itself where it is asked for in clear. The tunnel is closed unused.
///
/// # Errors
/// As [`super::explain`].
pub async fn try_out(relay: SocketAddr, url: &str) -> Result<Tried, ExplainError> {
    let target = Target::parse(url)?;
    let mut tried = Tried {
        relay: relay.to_string(),
        reached: false,
        status: None,
        connected_ms: None,
        answered_ms: None,
        says: Said::default(),
    };
    let asked = tokio::time::timeout(PATIENCE, ask(relay, &target, &mut tried)).await;
    let failed = match asked {
        Ok(Ok(says)) => {
            tried.says = says;
            return Ok(tried);
        }
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let key = match tried.connected_ms {
        None => "said_tried_no_engine",
        Some(_) => "said_tried_no_answer",
    };
    tried.says = Said::new(key, &[("relay", &relay), ("error", &failed)]);
    Ok(tried)
}

async fn ask(relay: SocketAddr, target: &Target, tried: &mut Tried) -> std::io::Result<Said> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(relay).await?;
    tried.connected_ms = Some(milliseconds(begun));
    let asked = Instant::now();
    stream.write_all(request(target).as_bytes()).await?;
    let line = status_line(&mut stream).await?;
    let milliseconds = milliseconds(asked);
    tried.answered_ms = Some(milliseconds);
    let (status, reason) =
        parsed(&line).ok_or_else(|| std::io::Error::other("what answers does not speak HTTP"))?;
    tried.status = Some(status);
    let ours = reason.strip_prefix("Gangway: ");
    // In clear, a proxy's own page looks like the destination's: these are what proxies say of what
    // they could not, or would not, get.
    let got = if target.is_plain() {
        status < 500 && status != 403 && status != 407
    } else {
        (200..300).contains(&status)
    };
    tried.reached = ours.is_none() && got;
    let key = match (tried.reached, target.is_plain()) {
        (true, true) => "said_tried_answered",
        (true, false) => "said_tried_tunnel",
        (false, true) if ours.is_none() => "said_tried_proxy_answered",
        (false, _) => "said_tried_refused",
    };
    Ok(Said::new(
        key,
        &[
            ("milliseconds", &milliseconds),
            ("status", &status),
            ("reason", &ours.unwrap_or(reason)),
        ],
    ))
}

fn request(target: &Target) -> String {
    let to = &target.to;
    if target.is_plain() {
        format!("HEAD {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n")
    } else {
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")
    }
}

async fn status_line(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut stream = tokio::io::BufReader::new(stream).take(LINE);
    tokio::io::AsyncBufReadExt::read_until(&mut stream, b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// `HTTP/1.1 200 OK`
fn parsed(line: &str) -> Option<(u16, &str)> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let (_, rest) = rest.split_once(' ')?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((status.parse().ok()?, reason))
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn tried(url: &str, answer: &'static str) -> Tried {
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = relay.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = relay.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            let answer = format!("HTTP/1.1 {answer}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        tokio::join!(try_out(address, url), serve).0.unwrap()
    }

    #[tokio::test]
    async fn a_page_of_the_proxy_is_not_the_destination() {
        for (url, answer, reached, key) in [
            ("http://a.test/", "200 OK", true, "said_tried_answered"),
            (
                "http://a.test/",
                "404 Not Found",
                true,
                "said_tried_answered",
            ),
            (
                "http://a.test/",
                "403 Forbidden",
                false,
                "said_tried_proxy_answered",
            ),
            (
                "http://a.test/",
                "407 Who",
                false,
                "said_tried_proxy_answered",
            ),
            (
                "http://a.test/",
                "502 Bad Gateway",
                false,
                "said_tried_proxy_answered",
            ),
            (
                "http://a.test/",
                "503 Busy",
                false,
                "said_tried_proxy_answered",
            ),
            (
                "http://a.test/",
                "502 Gangway: no",
                false,
                "said_tried_refused",
            ),
            ("https://a.test/", "200 OK", true, "said_tried_tunnel"),
            (
                "https://a.test/",
                "403 Forbidden",
                false,
                "said_tried_refused",
            ),
        ] {
            let tried = tried(url, answer).await;
            assert_eq!(
                (tried.reached, tried.says.key.as_str()),
                (reached, key),
                "{answer}"
            );
        }
    }
}
