//! Message heads (RFC 9112): parsed strictly, kept as they came.

use bytes::{Bytes, BytesMut};

use super::Fields;
use crate::config::Limits;

/// Why bytes are no head. A client gets [`HeadError::status`], an origin's reader 502.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A request line over [`Limits::request_line`].
    #[error("the request line has more than {0} bytes")]
    LineTooLong(usize),
    /// Over [`Limits::head`], or [`Limits::trailers`].
    #[error("the fields have more than {0} bytes")]
    TooLong(usize),
    /// Over [`Limits::fields`].
    #[error("there are more than {0} fields")]
    TooMany(usize),
    /// CR or LF alone: two parsers could see two messages.
    #[error("a line ends with a bare CR or LF")]
    BareLineEnd,
    /// Anything else that the grammar does not have.
    #[error("the head is malformed: {0}")]
    Malformed(httparse::Error),
    /// A version other than 1.0 and 1.1.
    #[error("the version is not HTTP/1.0 or HTTP/1.1")]
    Version,
}

impl HeadError {
    /// The status that the client gets for such a request.
    pub fn status(&self) -> u16 {
        match self {
            Self::LineTooLong(_) => 414,
            Self::TooLong(_) | Self::TooMany(_) => 431,
            Self::BareLineEnd | Self::Malformed(_) | Self::Version => 400,
        }
    }
}

/// A request's head.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// Any token.
    pub method: Bytes,
    /// As it came.
    pub target: Bytes,
    /// HTTP/1.0.
    pub is_1_0: bool,
    /// Header fields.
    pub fields: Fields,
}

/// A response's head.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// Three digits.
    pub status: u16,
    /// As it came.
    pub reason: Bytes,
    /// HTTP/1.0.
    pub is_1_0: bool,
    /// Header fields.
    pub fields: Fields,
}

impl RequestHead {
    /// Takes a head from the front of `read`; `None` while it is not complete.
    ///
    /// # Errors
    /// See [`HeadError`]; what stands in `read` then is of no use.
    pub fn parse(read: &mut BytesMut, limits: &Limits) -> Result<Option<Self>, HeadError> {
        // RFC 9112, section 2.2: empty lines before a request are ignored.
        while read.starts_with(b"\r\n") {
            let _ = read.split_to(2);
        }
        let most = limits.request_line;
        if read.len() > most && !read[..most].contains(&b'\n') {
            return Err(HeadError::LineTooLong(most));
        }
        let Some(head) = take_head(read, limits.head)? else {
            return Ok(None);
        };
        with_fields(limits, |lines| {
            let mut request = httparse::Request::new(lines);
            complete(request.parse(&head))?;
            let (Some(method), Some(target)) = (request.method, request.path) else {
                return Err(HeadError::Malformed(httparse::Error::Token));
            };
            Ok(Some(Self {
                method: head.slice_ref(method.as_bytes()),
                target: head.slice_ref(target.as_bytes()),
                is_1_0: is_1_0(request.version)?,
                fields: fields(&head, request.headers),
            }))
        })
    }

    /// Whether the method is this one; methods have case.
    pub fn is(&self, method: &str) -> bool {
        self.method == method.as_bytes()
    }

    /// The head as it is sent on: our own version, the fields as they stand.
    pub(super) fn write(&self) -> Vec<u8> {
        self.write_as("1.1")
    }

    /// The head as it would be in this version.
    pub(super) fn write_as(&self, version: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(&self.method);
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(b" HTTP/");
        out.extend_from_slice(version.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.fields.write(&mut out);
        out.extend_from_slice(b"\r\n");
        out
    }
}

impl ResponseHead {
    /// Takes a head from the front of `read`; `None` while it is not complete.
    ///
    /// # Errors
    /// See [`HeadError`]; what stands in `read` then is of no use.
    pub fn parse(read: &mut BytesMut, limits: &Limits) -> Result<Option<Self>, HeadError> {
        let Some(head) = take_head(read, limits.head)? else {
            return Ok(None);
        };
        with_fields(limits, |lines| {
            let mut response = httparse::Response::new(lines);
            complete(of_response().parse_response(&mut response, &head))?;
            let Some(status) = response.code.filter(|code| (100..1000).contains(code)) else {
                return Err(HeadError::Malformed(httparse::Error::Status));
            };
            Ok(Some(Self {
                status,
                reason: Bytes::copy_from_slice(response.reason.unwrap_or_default().as_bytes()),
                is_1_0: is_1_0(response.version)?,
                fields: fields(&head, response.headers),
            }))
        })
    }

    /// The head as it is sent on: our own version, the fields as they stand.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(format!("HTTP/1.1 {} ", self.status).as_bytes());
        out.extend_from_slice(&self.reason);
        out.extend_from_slice(b"\r\n");
        self.fields.write(&mut out);
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// RFC 9112, section 5.1: whitespace before a colon is removed from responses, where requests are
/// refused for it.
fn of_response() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    config
}

/// Takes the trailer section (possibly empty) of a request or a response from the front of `read`.
pub(super) fn take_trailers(
    read: &mut BytesMut,
    limits: &Limits,
    is_response: bool,
) -> Result<Option<Fields>, HeadError> {
    if read.starts_with(b"\r\n") {
        let _ = read.split_to(2);
        return Ok(Some(Fields::default()));
    }
    let Some(section) = take_head(read, limits.trailers)? else {
        return Ok(None);
    };
    let strictly = with_fields(limits, |lines| {
        let (_, lines) = complete(httparse::parse_headers(&section, lines))?;
        Ok(Some(fields(&section, lines)))
    });
    let whitespace = HeadError::Malformed(httparse::Error::HeaderName);
    match strictly {
        Err(error) if is_response && error == whitespace => {
            // Only whole heads are read with that whitespace: it gets a line that makes it one.
            let head = Bytes::from([b"HTTP/1.1 200\r\n", &section[..]].concat());
            with_fields(limits, |lines| {
                let mut response = httparse::Response::new(lines);
                complete(of_response().parse_response(&mut response, &head))?;
                Ok(Some(fields(&head, response.headers)))
            })
        }
        taken => taken,
    }
}

/// Everything up to and with the empty line: `limit` bytes at most.
fn take_head(read: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, HeadError> {
    let mut line = 0;
    for (at, byte) in read.iter().enumerate() {
        if at >= limit {
            return Err(HeadError::TooLong(limit));
        }
        match byte {
            b'\n' if at == 0 || read[at - 1] != b'\r' => return Err(HeadError::BareLineEnd),
            // `line` is where this line began: an empty one is its CR LF alone.
            b'\n' if at == line + 1 && line > 0 => {
                return Ok(Some(read.split_to(at + 1).freeze()));
            }
            b'\n' => line = at + 1,
            _ if at > 0 && read[at - 1] == b'\r' => return Err(HeadError::BareLineEnd),
            _ => {}
        }
    }
    if read.len() >= limit {
        return Err(HeadError::TooLong(limit));
    }
    Ok(None)
}

/// Most heads have few fields; the odd one gets a larger table on the heap.
fn with_fields<'h, T>(
    limits: &Limits,
    mut parse: impl FnMut(&mut [httparse::Header<'h>]) -> Result<T, HeadError>,
) -> Result<T, HeadError> {
    let too_many = HeadError::Malformed(httparse::Error::TooManyHeaders);
    match parse(&mut [httparse::EMPTY_HEADER; 64]) {
        Err(error) if error == too_many => {
            match parse(&mut vec![httparse::EMPTY_HEADER; limits.fields]) {
                Err(error) if error == too_many => Err(HeadError::TooMany(limits.fields)),
                parsed => parsed,
            }
        }
        parsed => parsed,
    }
}

fn complete<T>(parsed: httparse::Result<T>) -> Result<T, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(value)) => Ok(value),
        // The empty line is there, so more bytes would not help.
        Ok(httparse::Status::Partial) => Err(HeadError::Malformed(httparse::Error::NewLine)),
        Err(httparse::Error::Version) => Err(HeadError::Version),
        Err(error) => Err(HeadError::Malformed(error)),
    }
}

fn is_1_0(version: Option<u8>) -> Result<bool, HeadError> {
    match version {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(HeadError::Version),
    }
}

fn fields(head: &Bytes, lines: &[httparse::Header<'_>]) -> Fields {
    let mut fields = Fields::default();
    for line in lines {
        fields.push(
            head.slice_ref(line.name.as_bytes()),
            head.slice_ref(line.value),
        );
    }
    fields
}

#[cfg(test)]
mod tests;
