//! An answer of a SOCKS proxy is whole, not yet whole, or none, however it comes; and no byte behind
//! it is touched.

use bytes::BytesMut;
use proxy_engine::dial::socks::{login, method, reply_v4, reply_v5};

/// Panics where it does not hold. The first byte chooses the answer.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    match which % 4 {
        0 => one(bytes, reply_v4),
        1 => one(bytes, method),
        2 => one(bytes, login),
        _ => one(bytes, reply_v5),
    }
}

fn one<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    parse: impl Fn(&mut BytesMut) -> Result<Option<T>, &'static str>,
) {
    let mut rest = BytesMut::from(bytes);
    let whole = parse(&mut rest);
    assert!(bytes.ends_with(&rest));
    // Longer than the longest answer, and still not whole: then it would never be.
    assert!(whole != Ok(None) || bytes.len() < 4 + 256 + 2);
    if !matches!(whole, Ok(Some(_))) {
        assert_eq!(rest, bytes);
    }
    let mut read = BytesMut::new();
    let mut piecewise = Ok(None);
    let mut pieces = bytes.iter();
    while piecewise == Ok(None)
        && let Some(byte) = pieces.next()
    {
        read.extend_from_slice(&[*byte]);
        piecewise = parse(&mut read);
    }
    assert_eq!(whole.is_err(), piecewise.is_err());
    if let Ok(whole) = whole {
        assert_eq!(piecewise, Ok(whole));
        read.extend(pieces);
        assert_eq!(rest, read);
    }
}
