//! `CONNECT` to an upstream (RFC 9110, section 9.3.6).

use std::net::IpAddr;

use bytes::BytesMut;

use super::auth::{Heard, Login, Said};
use super::{ANSWER_TIMEOUT, DialError, Dialer};
use crate::config::{Limits, Upstream};
use crate::http::{ResponseHead, drain, goes_on, printable};
use crate::relay::Stream;
use crate::route::Destination;

/// What is asked for, and of whom.
pub(super) struct Asked<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) to: &'a Destination,
    pub(super) user_agent: Option<&'a [u8]>,
}

/// Asks for a tunnel, as often as the log-in needs. Not one byte that the origin may already have
/// said is lost: it comes second.
pub(super) async fn tunnel(
    dialer: &Dialer,
    mut stream: Stream,
    mut login: Login,
    asked: &Asked<'_>,
) -> Result<(Stream, BytesMut), DialError> {
    let upstream = || asked.upstream.clone();
    let target = asked.to.to_string();
    // Room for a usual answer, so that it is read at once.
    let mut read = BytesMut::with_capacity(1024);
    // Whether the connection has carried an answer: it may have ended since.
    let mut is_used = false;
    loop {
        let said = login.say(b"CONNECT", target.as_bytes()).await?;
        let request = request(dialer, asked, &target, said.as_ref());
        let answer = async {
            let written = stream.send(&request).await;
            written.map_err(|e| e.to_string())?;
            final_answer(&mut stream, &mut read, dialer).await
        };
        let answer = match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Err(_) => {
                login.unheard();
                return Err(DialError::UpstreamTimeout {
                    upstream: upstream(),
                });
            }
            Ok(Err(_)) if is_used && read.is_empty() => {
                login.reconnects()?;
                stream = dialer.call(asked.upstream).await?;
                is_used = false;
                continue;
            }
            Ok(Err(detail)) => {
                return Err(DialError::UpstreamAnswer {
                    upstream: upstream(),
                    detail,
                });
            }
            Ok(Ok(answer)) => answer,
        };
        match login.hear(&answer)? {
            Heard::Passed if (200..300).contains(&answer.status) => {
                // A tunnel may be silent for hours: it keeps no empty room.
                let early = if read.is_empty() {
                    BytesMut::new()
                } else {
                    read
                };
                return Ok((stream, early));
            }
            Heard::Passed => {
                return Err(DialError::ConnectRefused {
                    upstream: upstream(),
                    destination: target,
                    status: answer.status,
                    reason: printable(&answer.reason),
                });
            }
            follows @ (Heard::Again | Heard::Elsewhere) => {
                is_used = follows == Heard::Again
                    && drain(&mut stream, &mut read, &answer, b"CONNECT", &dialer.limits).await;
                if !is_used {
                    login.reconnects()?;
                    read.clear();
                    stream = dialer.call(asked.upstream).await?;
                }
            }
        }
    }
}

fn request(dialer: &Dialer, asked: &Asked<'_>, target: &str, said: Option<&Said>) -> Vec<u8> {
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(agent) = asked.user_agent {
        head.extend_from_slice(b"User-Agent: ");
        head.extend_from_slice(agent);
        head.extend_from_slice(b"\r\n");
    }
    for (name, value) in said.into_iter().flat_map(Said::fields) {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Via: 1.1 {}\r\n\r\n", dialer.pseudonym).as_bytes());
    head
}

/// Reads an upstream's final answer. One with a long head needs the right to be held.
///
/// # Errors
/// One line that says why there is none.
pub(crate) async fn final_answer(
    stream: &mut Stream,
    read: &mut BytesMut,
    dialer: &Dialer,
) -> Result<ResponseHead, String> {
    let limits = &dialer.limits;
    let (mut held, mut seen) = (None, 0);
    loop {
        if !goes_on(read, seen, limits.head)
            && let Some(head) = reply(read, limits)?
        {
            return Ok(head);
        }
        seen = read.len();
        let from = || {
            let peer = stream.tcp().peer_addr();
            // One that is gone already ends with the next read.
            peer.map_or(IpAddr::from([0; 4]), |peer| peer.ip())
        };
        let kept = dialer.long_answers.hold(seen, from, &mut held);
        kept.map_err(|no_room| no_room.to_string())?;
        match stream.receive(read).await {
            Ok(0) => return Err("it closed the connection".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Takes an upstream's final answer to CONNECT from the front of `read`, and the interim ones
/// before it; `None` while it is not complete. What follows the head of a 2xx stays: whatever that
/// head says about a body, it has none (RFC 9110, section 9.3.6), and the origin speaks.
///
/// # Errors
/// One line that says why it is no answer.
pub fn reply(read: &mut BytesMut, limits: &Limits) -> Result<Option<ResponseHead>, String> {
    loop {
        match ResponseHead::parse(read, limits).map_err(|e| e.to_string())? {
            Some(head) if head.status == 101 => return Err("it switches protocols".into()),
            Some(head) if head.status >= 200 => return Ok(Some(head)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}
