//! A frame of a chained engine is one however it comes, is written as it was read, and its facts
//! may be believed.

use bytes::BytesMut;
use proxy_engine::chain::{Facts, Frame, MOST_HOPS};

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let mut rest = BytesMut::from(bytes);
    let whole = Frame::parse(&mut rest);
    let mut decided = None;
    let step = bytes.len() / 32 + 1;
    for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
        let mut read = BytesMut::from(&bytes[..end]);
        let now = Frame::parse(&mut read);
        if now == Ok(None) {
            assert_eq!(&read[..], &bytes[..end], "nothing is taken");
        }
        if let Some(before) = &decided {
            assert_eq!(before, &now, "it changed its mind at {end}");
            continue;
        }
        decided = Some(now).filter(|now| *now != Ok(None));
    }
    assert_eq!(decided.unwrap_or(Ok(None)), whole);
    let Ok(Some(frame)) = whole else { return };
    let written = [&frame.write()[..], &rest].concat();
    assert_eq!(written, bytes, "it is written as it was read");
    if let Frame::Facts { json, .. } = frame
        && let Ok(facts) = Facts::read(&json)
    {
        assert_eq!(Facts::read(&facts.write()).as_ref(), Ok(&facts));
        assert!((1..=MOST_HOPS).contains(&facts.path.len()));
        for address in [Some(facts.client), facts.original].into_iter().flatten() {
            let ip = address.ip();
            assert_eq!(ip, ip.to_canonical());
            assert!(address.port() > 0 && !ip.is_unspecified() && !ip.is_multicast());
        }
    }
}
