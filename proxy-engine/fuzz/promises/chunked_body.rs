//! A chunked body is the same however it is cut, and its end is where it says.

use bytes::BytesMut;
use proxy_engine::config::Limits;
use proxy_engine::http::{Chunked, Part};

/// Content and what follows it; `None` while it is not complete, an error without its kind: which
/// bound is hit first may depend on the cuts.
type Read = Result<Option<(Vec<u8>, Vec<u8>)>, ()>;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let whole = read(Chunked::of_request, bytes, bytes.len().max(1));
    let piecewise = read(Chunked::of_request, bytes, bytes.len() / 32 + 1);
    assert_eq!(whole, piecewise);
    let of_response = read(Chunked::of_response, bytes, bytes.len().max(1));
    // Only whitespace in its trailers tells a response's from a request's.
    assert!(whole.is_err() || whole == of_response);
    if let Ok(Some((content, rest))) = whole {
        assert!(content.len() + rest.len() + b"0\r\n\r\n".len() <= bytes.len());
        assert!(bytes.ends_with(&rest));
    }
}

fn read(new: fn(Limits) -> Chunked, bytes: &[u8], piece: usize) -> Read {
    let mut chunked = new(Limits::default());
    let mut buffer = BytesMut::new();
    let mut content = Vec::new();
    let mut pieces = bytes.chunks(piece);
    loop {
        match chunked.next(&mut buffer).map_err(drop)? {
            Part::Content(part) => {
                assert!(!part.is_empty());
                content.extend_from_slice(&part);
            }
            Part::End(_) => {
                buffer.extend(pieces.flatten());
                return Ok(Some((content, buffer.to_vec())));
            }
            Part::Incomplete => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return Ok(None),
            },
        }
    }
}
