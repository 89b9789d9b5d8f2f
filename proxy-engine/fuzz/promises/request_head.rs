//! A request's head is one however it comes, and nothing in it could end a line.

use bytes::BytesMut;
use proxy_engine::config::Limits;
use proxy_engine::http::{Framing, RequestHead};
use proxy_engine::sniff::request_head::{Sniffed, sniff};

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let limits = Limits::default();
    let mut rest = BytesMut::from(bytes);
    let whole = RequestHead::parse(&mut rest, &limits);
    let mut read = BytesMut::new();
    let mut piecewise = Ok(None);
    let mut decided = Sniffed::Incomplete;
    let mut pieces = bytes.chunks(bytes.len() / 32 + 1);
    while let Ok(None) = piecewise
        && let Some(piece) = pieces.next()
    {
        read.extend_from_slice(piece);
        piecewise = RequestHead::parse(&mut read, &limits);
    }
    for end in (0..bytes.len()).step_by(bytes.len() / 32 + 1) {
        let now = sniff(&bytes[..end]);
        assert!(
            decided == Sniffed::Incomplete || decided == now,
            "it changed its mind at {end}"
        );
        decided = now;
    }
    assert!(decided == Sniffed::Incomplete || decided == sniff(bytes));
    assert_eq!(whole.is_err(), piecewise.is_err());
    assert_eq!(matches!(whole, Ok(None)), matches!(piecewise, Ok(None)));
    let (Ok(Some(head)), Ok(piecewise)) = (whole, piecewise) else {
        return;
    };
    let piecewise = piecewise.expect("as complete as the whole");
    assert_eq!(head.method, piecewise.method);
    assert_eq!(head.target, piecewise.target);
    assert_eq!(head.fields, piecewise.fields);
    let ends = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    let breaks = |b: &u8| ends(b) || *b == b' ';
    assert!(!head.method.is_empty() && !head.method.iter().any(breaks));
    assert!(!head.target.is_empty() && !head.target.iter().any(breaks));
    for name in ["host", "x", "connection", "content-length"] {
        assert!(!head.fields.all(name).any(|value| value.iter().any(ends)));
    }
    if let Ok(Framing::Length(_)) = Framing::of_request(&head) {
        assert_eq!(head.fields.all("content-length").count(), 1);
        assert_eq!(head.fields.all("transfer-encoding").count(), 0);
    }
}
