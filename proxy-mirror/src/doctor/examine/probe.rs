//! What a port speaks: a few bytes are sent, and the first that come back tell.

use std::net::SocketAddr;
use std::time::SystemTime;

use proxy_engine::config::Certificates;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// What answered.
#[derive(Debug)]
pub(super) enum Speaks {
    /// HTTP in clear, with the clock of who answered.
    Http { date: Option<SystemTime> },
    /// TLS, with a certificate that this machine trusts.
    Tls,
    /// TLS, with a certificate that it does not.
    Distrusted(String),
    /// SOCKS 4.
    Socks4,
    /// SOCKS 5.
    Socks5,
    /// Nothing, or nothing known.
    Silent,
}

/// A question that concerns no resource: nothing is fetched for it.
const OPTIONS: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: gangway.invalid\r\nConnection: close\r\n\r\n";
/// Version 5, one method: without authentication (RFC 1928, 3).
const GREETING_5: &[u8] = &[5, 1, 0];
/// Version 4, BIND to an address that nobody has: it is refused, and the answer tells.
const BIND_4: &[u8] = &[4, 2, 0, 9, 192, 0, 2, 1, 0];
/// No head that is looked at is longer, in bytes.
const HEAD: u64 = 8 * 1024;

/// Asks in HTTP, then, where that is not understood, otherwise.
pub(super) async fn http(to: &[SocketAddr]) -> Speaks {
    match of(&exchange(to, OPTIONS).await) {
        Speaks::Silent => otherwise(to).await,
        found => found,
    }
}

/// Asks in SOCKS 5.
pub(super) async fn socks5(to: &[SocketAddr]) -> Speaks {
    match of(&exchange(to, GREETING_5).await) {
        Speaks::Silent => http(to).await,
        found => found,
    }
}

/// Asks in SOCKS 4.
pub(super) async fn socks4(to: &[SocketAddr]) -> Speaks {
    match of(&exchange(to, BIND_4).await) {
        Speaks::Silent => Box::pin(socks5(to)).await,
        found => found,
    }
}

async fn otherwise(to: &[SocketAddr]) -> Speaks {
    // The certificate's name does not matter here: whether it is TLS does.
    match tls(to, "gangway.invalid", None).await {
        Speaks::Tls | Speaks::Distrusted(_) => return Speaks::Tls,
        _ => {}
    }
    of(&exchange(to, GREETING_5).await)
}

/// Asks in TLS for this host, by the system's own roots and these.
pub(super) async fn tls(to: &[SocketAddr], host: &str, trusted: Option<&Certificates>) -> Speaks {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return Speaks::Silent;
    };
    let Ok(config) = crate::tls::trusting(trusted.cloned()).await else {
        return Speaks::Silent;
    };
    let shaken = timeout(PATIENCE, async {
        let stream = TcpStream::connect(to).await?;
        tokio_rustls::TlsConnector::from(config)
            .connect(name, stream)
            .await
    })
    .await;
    let error = match shaken {
        Ok(Ok(_)) => return Speaks::Tls,
        Ok(Err(error)) => error,
        Err(_elapsed) => return Speaks::Silent,
    };
    match error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidCertificate(_)) => Speaks::Distrusted(error.to_string()),
        // It said something in TLS, if only that it will not talk.
        Some(rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_)) => Speaks::Tls,
        _ => of(&exchange(to, OPTIONS).await),
    }
}

/// The first bytes of the answer; none where there is no answer.
async fn exchange(to: &[SocketAddr], question: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let exchanged = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(question).await?;
        let mut stream = stream.take(HEAD);
        let mut buffer = [0; 1024];
        loop {
            let read = stream.read(&mut buffer).await?;
            answer.extend_from_slice(&buffer[..read]);
            let whole = answer.windows(4).any(|four| four == b"\r\n\r\n");
            if read == 0 || whole || !answer.starts_with(b"HTTP/") {
                return Ok::<(), std::io::Error>(());
            }
        }
    };
    // What came until it failed, or was given up, counts.
    let _ = timeout(PATIENCE, exchanged).await;
    answer
}

fn of(answer: &[u8]) -> Speaks {
    match answer {
        [b'H', b'T', b'T', b'P', b'/', rest @ ..] => Speaks::Http { date: date(rest) },
        // A TLS alert record: version 3.x.
        [0x15, 3, ..] => Speaks::Tls,
        [5, _, ..] => Speaks::Socks5,
        // The answer's version is 0, the code 90 to 93.
        [0, 90..=93, ..] => Speaks::Socks4,
        _ => Speaks::Silent,
    }
}

fn date(head: &[u8]) -> Option<SystemTime> {
    let head = String::from_utf8_lossy(head);
    let value = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date")
            .then(|| value.trim().to_owned())
    })?;
    httpdate::parse_http_date(&value).ok()
}
