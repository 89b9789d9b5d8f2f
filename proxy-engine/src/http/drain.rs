//! The body of an answer that nobody gets: read up, so that its connection can be used on.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::chunked::{Chunked, Part};
use super::{Framing, ResponseHead};
use crate::config::Limits;

/// Longer bodies are not worth their connection: error pages have some KiB.
const MOST: u64 = 256 * 1024;
/// Nor are slow ones.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the body of an answer to `method` from what was `read` and what comes, and keeps nothing of
/// it. Whether the connection can carry another request then.
pub(crate) async fn drain(
    stream: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
    head: &ResponseHead,
    method: &[u8],
    limits: &Limits,
) -> bool {
    let Ok(framing) = Framing::of_response(head, method) else {
        return false;
    };
    if closes(head) {
        return false;
    }
    let body = async {
        match framing {
            Framing::Empty => true,
            Framing::Length(length) => exactly(stream, read, length).await,
            Framing::Chunked => chunks(stream, read, *limits).await,
            Framing::UntilClose => false,
        }
    };
    let whole = tokio::time::timeout(PATIENCE, body).await;
    // What comes behind it belongs to no request.
    whole.unwrap_or(false) && read.is_empty()
}

/// Proxies of long ago answer in HTTP/1.0 and keep the connection where they say so; NTLM depends on
/// it.
fn closes(head: &ResponseHead) -> bool {
    let says = |option| {
        head.fields.lists("connection", option) || head.fields.lists("proxy-connection", option)
    };
    says("close") || (head.is_1_0 && !says("keep-alive"))
}

async fn exactly(stream: &mut (impl AsyncRead + Unpin), read: &mut BytesMut, length: u64) -> bool {
    let Ok(length) = usize::try_from(length.min(MOST + 1)) else {
        return false;
    };
    if length as u64 > MOST {
        return false;
    }
    while read.len() < length {
        if !matches!(stream.read_buf(read).await, Ok(1..)) {
            return false;
        }
    }
    let _ = read.split_to(length);
    true
}

async fn chunks(
    stream: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
    limits: Limits,
) -> bool {
    let mut chunked = Chunked::of_response(limits);
    let mut seen = 0;
    while seen <= MOST {
        match chunked.next(read) {
            Ok(Part::Content(part)) => seen += part.len() as u64,
            Ok(Part::End(_)) => return true,
            Ok(Part::Incomplete) => {
                if !matches!(stream.read_buf(read).await, Ok(1..)) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::drain;
    use crate::config::Limits;
    use crate::http::ResponseHead;

    async fn goes_on(answer: &str, rest: &str) -> bool {
        let mut read = BytesMut::from(answer);
        let limits = Limits::default();
        let head = ResponseHead::parse(&mut read, &limits).expect("a head");
        let head = head.expect("whole");
        drain(&mut rest.as_bytes(), &mut read, &head, b"GET", &limits).await
    }

    #[tokio::test]
    async fn a_connection_goes_on_behind_a_whole_body_and_no_other() {
        let long = format!("HTTP/1.1 407 A\r\nContent-Length: {}\r\n\r\n", 1 << 20);
        for (answer, rest, on) in [
            (
                "HTTP/1.1 407 A\r\nContent-Length: 6\r\n\r\nabc",
                "def",
                true,
            ),
            (
                "HTTP/1.1 407 A\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
                "c\r\n0\r\n\r\n",
                true,
            ),
            (
                "HTTP/1.0 407 A\r\nProxy-Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
                "",
                true,
            ),
            ("HTTP/1.0 407 A\r\nContent-Length: 0\r\n\r\n", "", false),
            (
                "HTTP/1.1 407 A\r\nProxy-Connection: close\r\nContent-Length: 0\r\n\r\n",
                "",
                false,
            ),
            (
                "HTTP/1.1 407 A\r\nContent-Length: 6\r\n\r\nabc",
                "de",
                false,
            ),
            (
                "HTTP/1.1 407 A\r\nContent-Length: 3\r\n\r\nabcHTTP",
                "",
                false,
            ),
            ("HTTP/1.1 407 A\r\n\r\nabc", "", false),
            (long.as_str(), "", false),
        ] {
            assert_eq!(goes_on(answer, rest).await, on, "{answer:?} {rest:?}");
        }
    }
}
