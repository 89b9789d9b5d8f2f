//! A reply to CONNECT is final or refused, and no byte behind its head is touched.

use bytes::BytesMut;
use proxy_engine::config::Limits;
use proxy_engine::dial::reply;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let limits = Limits::default();
    let mut rest = BytesMut::from(bytes);
    let whole = reply(&mut rest, &limits);
    let mut read = BytesMut::new();
    let mut piecewise = Ok(None);
    let mut pieces = bytes.chunks(bytes.len() / 32 + 1);
    while let Ok(None) = piecewise
        && let Some(piece) = pieces.next()
    {
        read.extend_from_slice(piece);
        piecewise = reply(&mut read, &limits);
    }
    read.extend(pieces.flatten());
    assert_eq!(whole.is_err(), piecewise.is_err());
    assert_eq!(matches!(whole, Ok(None)), matches!(piecewise, Ok(None)));
    let (Ok(Some(head)), Ok(piecewise)) = (whole, piecewise) else {
        return;
    };
    let piecewise = piecewise.expect("as complete as the whole");
    assert!(head.status >= 200 && head.status == piecewise.status);
    assert_eq!(rest, read);
    assert!(bytes.ends_with(&rest));
}
