//! A response's head is one however it comes, and a body has one length or the answer is refused.

use bytes::BytesMut;
use proxy_engine::config::Limits;
use proxy_engine::http::{Framing, ResponseHead};

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let limits = Limits::default();
    let mut rest = BytesMut::from(bytes);
    let whole = ResponseHead::parse(&mut rest, &limits);
    let mut read = BytesMut::new();
    let mut piecewise = Ok(None);
    let mut pieces = bytes.chunks(bytes.len() / 32 + 1);
    while let Ok(None) = piecewise
        && let Some(piece) = pieces.next()
    {
        read.extend_from_slice(piece);
        piecewise = ResponseHead::parse(&mut read, &limits);
    }
    read.extend(pieces.flatten());
    assert_eq!(whole.is_err(), piecewise.is_err());
    assert_eq!(matches!(whole, Ok(None)), matches!(piecewise, Ok(None)));
    let (Ok(Some(head)), Ok(piecewise)) = (whole, piecewise) else {
        return;
    };
    let piecewise = piecewise.expect("as complete as the whole");
    assert_eq!(rest, read, "what follows is no part of the head");
    assert_eq!(
        (head.status, &head.reason),
        (piecewise.status, &piecewise.reason)
    );
    assert_eq!(head.fields, piecewise.fields);
    assert!(!head.reason.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
    let coded = head.fields.first("transfer-encoding").is_some();
    match Framing::of_response(&head, b"GET") {
        Ok(Framing::Length(_) | Framing::UntilClose) => assert!(!coded),
        Ok(Framing::Chunked) => assert!(head.fields.first("content-length").is_none()),
        Ok(Framing::Empty) => assert!(matches!(head.status, 100..200 | 204 | 304)),
        Err(_) => {}
    }
}
