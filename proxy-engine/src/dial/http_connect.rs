//! `CONNECT` to an upstream (RFC 9110, section 9.3.6).

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::auth::Permit;
use super::{ANSWER_TIMEOUT, DialError};
use crate::config::{Limits, Upstream};
use crate::http::{ResponseHead, printable};
use crate::route::Destination;

/// What is asked for, and of whom.
pub(super) struct Asked<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) to: &'a Destination,
    pub(super) user_agent: Option<&'a [u8]>,
    pub(super) pseudonym: &'a str,
    pub(super) limits: &'a Limits,
}

/// Asks for a tunnel. Not one byte that the origin may already have said is lost: it comes second.
pub(super) async fn tunnel(
    mut stream: TcpStream,
    permit: Permit,
    asked: &Asked<'_>,
) -> Result<(TcpStream, BytesMut), DialError> {
    let request = request(asked.to, asked.user_agent, asked.pseudonym, &permit);
    let upstream = || asked.upstream.clone();
    // Room for a usual answer, so that it is read at once.
    let mut read = BytesMut::with_capacity(1024);
    let answer = async {
        stream
            .write_all(&request)
            .await
            .map_err(|e| e.to_string())?;
        final_answer(&mut stream, &mut read, asked.limits).await
    };
    let answer = match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Err(_) => {
            return Err(DialError::UpstreamTimeout {
                upstream: upstream(),
            });
        }
        Ok(Err(detail)) => {
            return Err(DialError::UpstreamAnswer {
                upstream: upstream(),
                detail,
            });
        }
        Ok(Ok(answer)) => answer,
    };
    judge(permit, &answer, asked.upstream)?;
    if (200..300).contains(&answer.status) {
        // A tunnel may be silent for hours: it keeps no empty room.
        let early = if read.is_empty() {
            BytesMut::new()
        } else {
            read
        };
        return Ok((stream, early));
    }
    Err(DialError::ConnectRefused {
        upstream: upstream(),
        destination: asked.to.to_string(),
        status: answer.status,
        reason: printable(&answer.reason),
    })
}

/// What the answer says about the credentials that were sent.
pub(crate) fn judge(
    permit: Permit,
    answer: &ResponseHead,
    upstream: &Upstream,
) -> Result<(), DialError> {
    let upstream = || upstream.clone();
    match (permit, answer.status) {
        (Permit::Attempt(attempt), 407) => {
            attempt.refused();
            Err(DialError::CredentialsRefused {
                upstream: upstream(),
            })
        }
        (Permit::Attempt(attempt), _) => {
            attempt.accepted();
            Ok(())
        }
        (Permit::NoneNeeded, 407) => Err(DialError::CredentialsWanted {
            upstream: upstream(),
        }),
        (Permit::Withheld, 407) => Err(DialError::CredentialsWithheld {
            upstream: upstream(),
        }),
        (Permit::NoneNeeded | Permit::Withheld, _) => Ok(()),
    }
}

fn request(
    to: &Destination,
    user_agent: Option<&[u8]>,
    pseudonym: &str,
    permit: &Permit,
) -> Vec<u8> {
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    if let Some(agent) = user_agent {
        head.extend_from_slice(b"User-Agent: ");
        head.extend_from_slice(agent);
        head.extend_from_slice(b"\r\n");
    }
    if let Permit::Attempt(attempt) = permit {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(attempt.header().as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Via: 1.1 {pseudonym}\r\n\r\n").as_bytes());
    head
}

async fn final_answer(
    stream: &mut TcpStream,
    read: &mut BytesMut,
    limits: &Limits,
) -> Result<ResponseHead, String> {
    loop {
        if let Some(head) = reply(read, limits)? {
            return Ok(head);
        }
        match stream.read_buf(read).await {
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
