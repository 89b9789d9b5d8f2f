//! The chunked coding (RFC 9112, section 7.1), taken apart without reading or writing anything.

use bytes::BytesMut;

use super::Fields;
use super::head::{HeadError, take_trailers};
use crate::config::Limits;

/// Why a body is not chunked as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Something else than hexadecimal digits, extensions and CR LF.
    #[error("a chunk's size is not a number")]
    Size,
    /// Over [`Limits::chunk_line`].
    #[error("a chunk's size line has more than {0} bytes")]
    LineTooLong(usize),
    /// No CR LF behind the content.
    #[error("a chunk is longer than its size")]
    End,
    /// The trailer section.
    #[error("the trailers are malformed: {0}")]
    Trailers(#[from] HeadError),
}

impl ChunkError {
    /// The status that the client gets for such a request.
    pub fn status(&self) -> u16 {
        match self {
            Self::Size | Self::End => 400,
            Self::LineTooLong(_) => 413,
            Self::Trailers(error) => error.status(),
        }
    }
}

/// A chunked body on its way.
#[derive(Debug)]
pub struct Chunked {
    limits: Limits,
    is_response: bool,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    SizeLine,
    /// So much of the chunk is still to come; 0: its CR LF.
    Content(u64),
    Trailers,
}

/// What comes next in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It is not there yet.
    Incomplete,
    /// Some content, never none. It need not be a whole chunk.
    Content(BytesMut),
    /// The end, with the trailer section. What follows is no part of the body.
    End(Fields),
}

impl Chunked {
    /// A request's body that begins.
    pub fn of_request(limits: Limits) -> Self {
        Self {
            limits,
            is_response: false,
            at: At::SizeLine,
        }
    }

    /// A response's body that begins: whitespace before the colon of a trailer is removed.
    pub fn of_response(limits: Limits) -> Self {
        Self {
            is_response: true,
            ..Self::of_request(limits)
        }
    }

    /// Takes the next part from the front of `read`. Extensions are dropped: nobody may rely on
    /// them (RFC 9112, section 7.1.1).
    ///
    /// # Errors
    /// See [`ChunkError`]; the end of this body can then no longer be known.
    pub fn next(&mut self, read: &mut BytesMut) -> Result<Part, ChunkError> {
        loop {
            match self.at {
                At::SizeLine => match take_size(read, self.limits.chunk_line)? {
                    None => return Ok(Part::Incomplete),
                    Some(0) => self.at = At::Trailers,
                    Some(size) => self.at = At::Content(size),
                },
                At::Content(0) => {
                    let Some(end) = read.get(..2) else {
                        return Ok(Part::Incomplete);
                    };
                    if end != b"\r\n" {
                        return Err(ChunkError::End);
                    }
                    let _ = read.split_to(2);
                    self.at = At::SizeLine;
                }
                At::Content(_) if read.is_empty() => return Ok(Part::Incomplete),
                At::Content(left) => {
                    let part = take(read, left);
                    self.at = At::Content(left - part.len() as u64);
                    return Ok(Part::Content(part));
                }
                At::Trailers => {
                    let section = take_trailers(read, &self.limits, self.is_response)?;
                    return Ok(section.map_or(Part::Incomplete, Part::End));
                }
            }
        }
    }
}

/// At most `most` bytes from the front.
pub(super) fn take(read: &mut BytesMut, most: u64) -> BytesMut {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    read.split_to(read.len().min(most))
}

/// `1*HEXDIG [chunk-ext] CRLF`.
fn take_size(read: &mut BytesMut, limit: usize) -> Result<Option<u64>, ChunkError> {
    let seen = &read[..read.len().min(limit)];
    let Some(end) = seen.iter().position(|b| *b == b'\n') else {
        if read.len() >= limit {
            return Err(ChunkError::LineTooLong(limit));
        }
        return Ok(None);
    };
    let line = read.split_to(end + 1);
    parse_size(&line[..end]).map(Some).ok_or(ChunkError::Size)
}

/// `line` is without its LF.
fn parse_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    let allowed = |b: &u8| *b == b'\t' || (b' '..=b'~').contains(b) || *b >= 0x80;
    let well_formed = extensions.is_empty()
        || (extensions.trim_ascii_start().starts_with(b";")
            && extensions.iter().all(allowed)
            && quotes_end(extensions));
    // 16 digits are 64 bits.
    if !(1..=16).contains(&digits) || !well_formed {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

/// Whether every quoted string ends in its line: for a reader that looks for the end of a quote
/// first, an open one would hold the next lines.
fn quotes_end(extensions: &[u8]) -> bool {
    let mut is_quoted = false;
    let mut bytes = extensions.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => {
                let _ = bytes.next();
            }
            _ => {}
        }
    }
    !is_quoted
}

#[cfg(test)]
mod tests;
