//! How long a body is (RFC 9112, section 6), and what is refused because two parsers could
//! disagree about it.

use super::{Fields, RequestHead, ResponseHead};

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Until the connection ends; responses only.
    UntilClose,
}

/// Why the end of a body cannot be known for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Both lengths at once.
    #[error("both Content-Length and Transfer-Encoding are given")]
    Both,
    /// More than one, or none that is a number.
    #[error("Content-Length is not one decimal number")]
    Length,
    /// Codings that do not end in `chunked`, or that name it in a way of their own: where the body
    /// ends, nobody can tell.
    #[error("the Transfer-Encoding does not end in `chunked`")]
    Coding,
    /// Other codings, and `chunked` around them.
    #[error("the Transfer-Encoding has a coding that is not known here: only `chunked` is")]
    UnknownCoding,
    /// Chunks in HTTP/1.0.
    #[error("Transfer-Encoding is used in HTTP/1.0")]
    OldVersion,
}

impl FramingError {
    /// The status that the client gets for such a request, before its connection is closed.
    pub fn status(&self) -> u16 {
        match self {
            // RFC 9112, section 6.1.
            Self::UnknownCoding => 501,
            Self::Both | Self::Length | Self::Coding | Self::OldVersion => 400,
        }
    }
}

impl Framing {
    /// The framing of a request's body.
    ///
    /// # Errors
    /// See [`FramingError`]: answer [`FramingError::status`] and close.
    pub fn of_request(head: &RequestHead) -> Result<Self, FramingError> {
        Ok(declared(&head.fields, head.is_1_0)?.unwrap_or(Self::Empty))
    }

    /// The framing of the body of a response to `method`.
    ///
    /// # Errors
    /// See [`FramingError`]: answer 502 and close the connection to the origin.
    pub fn of_response(head: &ResponseHead, method: &[u8]) -> Result<Self, FramingError> {
        let declared = declared(&head.fields, head.is_1_0)?;
        if method == b"HEAD" || matches!(head.status, 100..200 | 204 | 304) {
            return Ok(Self::Empty);
        }
        Ok(declared.unwrap_or(Self::UntilClose))
    }
}

fn declared(fields: &Fields, is_1_0: bool) -> Result<Option<Framing>, FramingError> {
    let mut lengths = fields.all("content-length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(FramingError::Length);
    }
    let mut codings = fields.all("transfer-encoding").peekable();
    if codings.peek().is_some() {
        if is_1_0 {
            return Err(FramingError::OldVersion);
        }
        if length.is_some() {
            return Err(FramingError::Both);
        }
        let only = codings.next().filter(|_| codings.peek().is_none());
        return match only {
            Some(coding) if is_chunked(coding) => Ok(Some(Framing::Chunked)),
            _ => Err(other_codings(fields)),
        };
    }
    length.map(parse_length).transpose()
}

fn is_chunked(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"chunked")
}

/// What is wrong with codings that are not `chunked` alone. `gzip, chunked` is well formed and not
/// known here; anything that `chunked` does not end, once and as it is, has no sure end
/// (RFC 9112, section 6.3).
fn other_codings(fields: &Fields) -> FramingError {
    let mut inner = Vec::new();
    for line in fields.all("transfer-encoding") {
        inner.extend(line.split(|b| *b == b',').map(<[u8]>::trim_ascii));
    }
    let outer = inner.pop();
    let known = |coding: &&[u8]| !coding.is_empty() && !is_chunked(coding);
    if outer.is_some_and(is_chunked) && !inner.is_empty() && inner.iter().all(known) {
        FramingError::UnknownCoding
    } else {
        FramingError::Coding
    }
}

fn parse_length(value: &[u8]) -> Result<Framing, FramingError> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    let length = text.and_then(|text| text.parse().ok());
    length.map(Framing::Length).ok_or(FramingError::Length)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Framing, FramingError};
    use crate::config::Limits;
    use crate::http::{RequestHead, ResponseHead};

    fn request(fields: &str, version: &str) -> Result<Framing, FramingError> {
        let text = format!("POST / HTTP/{version}\r\n{fields}\r\n");
        let head = RequestHead::parse(&mut BytesMut::from(text.as_str()), &Limits::default());
        Framing::of_request(&head.expect("head").expect("complete"))
    }

    fn response(method: &str, status: u16, fields: &str) -> Result<Framing, FramingError> {
        let text = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        let head = ResponseHead::parse(&mut BytesMut::from(text.as_str()), &Limits::default());
        Framing::of_response(&head.expect("head").expect("complete"), method.as_bytes())
    }

    #[test]
    fn a_request_body_ends_where_it_says() {
        for (fields, framing) in [
            ("", Framing::Empty),
            ("Content-Length: 0\r\n", Framing::Length(0)),
            (
                "content-length: 18446744073709551615\r\n",
                Framing::Length(u64::MAX),
            ),
            ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
        ] {
            assert_eq!(request(fields, "1.1"), Ok(framing), "{fields}");
        }
    }

    #[test]
    fn a_length_that_two_parsers_could_read_in_two_ways_is_refused() {
        for (fields, error) in [
            (
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                FramingError::Both,
            ),
            (
                "Content-Length: 1\r\nContent-Length: 1\r\n",
                FramingError::Length,
            ),
            (
                "Content-Length: 1\r\nContent-Length: 2\r\n",
                FramingError::Length,
            ),
            ("Content-Length: 1, 1\r\n", FramingError::Length),
            ("Content-Length: +1\r\n", FramingError::Length),
            ("Content-Length: 1_0\r\n", FramingError::Length),
            ("Content-Length: 0x1\r\n", FramingError::Length),
            ("Content-Length: -1\r\n", FramingError::Length),
            ("Content-Length: 1 2\r\n", FramingError::Length),
            ("Content-Length:\r\n", FramingError::Length),
            (
                "Content-Length: 18446744073709551616\r\n",
                FramingError::Length,
            ),
            ("Transfer-Encoding: xchunked\r\n", FramingError::Coding),
            (
                "Transfer-Encoding: chunked, identity\r\n",
                FramingError::Coding,
            ),
            (
                "Transfer-Encoding: gzip, chunked\r\n",
                FramingError::UnknownCoding,
            ),
            (
                "Transfer-Encoding: a;x=\"y\"\r\nTransfer-Encoding: b , Chunked\r\n",
                FramingError::UnknownCoding,
            ),
            (
                "Transfer-Encoding: gzip, , chunked\r\n",
                FramingError::Coding,
            ),
            (
                "Transfer-Encoding: gzip, chunked, chunked\r\n",
                FramingError::Coding,
            ),
            ("Transfer-Encoding: gzip\r\n", FramingError::Coding),
            ("Transfer-Encoding: ,chunked\r\n", FramingError::Coding),
            ("Transfer-Encoding: chunked;q=1\r\n", FramingError::Coding),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                FramingError::Coding,
            ),
            ("Transfer-Encoding:\r\n", FramingError::Coding),
        ] {
            assert_eq!(request(fields, "1.1"), Err(error), "{fields}");
        }
        assert_eq!(
            request("Transfer-Encoding: chunked\r\n", "1.0"),
            Err(FramingError::OldVersion)
        );
    }

    #[test]
    fn responses_without_a_body_never_wait_for_one() {
        let long = "Content-Length: 9\r\n";
        assert_eq!(response("HEAD", 200, long), Ok(Framing::Empty));
        assert_eq!(response("GET", 304, long), Ok(Framing::Empty));
        assert_eq!(response("GET", 204, ""), Ok(Framing::Empty));
        assert_eq!(response("GET", 200, long), Ok(Framing::Length(9)));
        assert_eq!(response("GET", 200, ""), Ok(Framing::UntilClose));
        let both = "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(response("GET", 200, both), Err(FramingError::Both));
    }
}
