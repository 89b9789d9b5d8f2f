//! Requests that ask for this engine itself: `Max-Forwards: 0` and `OPTIONS *`.

use tokio::io::AsyncWriteExt;

use super::{After, Asked, Connection};
use crate::http::{Fields, Framing, RequestHead, forward};

/// What a TRACE never gives back (RFC 9110, section 9.3.8).
const SECRET: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

impl Connection<'_> {
    /// Whether the request is for no server behind this engine: from a client that speaks to a
    /// proxy, `*` names none.
    pub(super) fn is_for_this_engine(&self, head: &RequestHead) -> bool {
        self.client.asked == Asked::Proxy && head.is("OPTIONS") && &head.target[..] == b"*"
    }

    /// Answers as the last one that the request reaches.
    pub(super) async fn answer_as_last(&mut self, head: RequestHead, framing: Framing) -> After {
        let is_trace = head.is("TRACE");
        if is_trace && framing != Framing::Empty {
            return self.bad_request(&head, "TRACE has no body".into()).await;
        }
        let close = framing != Framing::Empty || forward::request_closes(&head);
        let body = if is_trace { echo(head) } else { Vec::new() };
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
        if is_trace {
            answer.push_str("Content-Type: message/http\r\n");
        }
        if close {
            answer.push_str("Connection: close\r\n");
        }
        answer.push_str("\r\n");
        let bytes = [answer.into_bytes(), body].concat();
        if self.client.stream.write_all(&bytes).await.is_err() || close {
            After::Linger
        } else {
            After::Next
        }
    }
}

/// Whether the request may go on, by what it says; then it has one forwarding less left
/// (RFC 9110, section 7.6.2).
///
/// # Errors
/// A sentence: answer 400.
pub(super) fn forwardings_left(head: &mut RequestHead) -> Result<bool, &'static str> {
    if !head.is("TRACE") && !head.is("OPTIONS") {
        return Ok(true);
    }
    match left(&head.fields)? {
        None => Ok(true),
        Some(0) => Ok(false),
        Some(left) => {
            let less = (left - 1).to_string();
            head.fields.set_in_place("Max-Forwards", less);
            Ok(true)
        }
    }
}

/// `1*DIGIT`, once. More than 32 bits are as good as no limit.
fn left(fields: &Fields) -> Result<Option<u32>, &'static str> {
    let mut values = fields.all("max-forwards");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err("Max-Forwards is not one decimal number");
    }
    let number = std::str::from_utf8(value).map(str::parse);
    Ok(Some(number.ok().and_then(Result::ok).unwrap_or(u32::MAX)))
}

/// The request as it was received, without its secrets.
fn echo(mut head: RequestHead) -> Vec<u8> {
    for name in SECRET {
        head.fields.remove(name);
    }
    head.write_as(if head.is_1_0 { "1.0" } else { "1.1" })
}
