use bytes::BytesMut;

use super::{Login, Method, Refusal, login, method, reply_v4, reply_v5};

#[test]
fn every_reply_of_version_5_says_what_it_means_and_takes_nothing_behind_it() {
    for (code, means) in [
        (0, Ok(())),
        (1, Err(Refusal::Failed)),
        (2, Err(Refusal::NotAllowed)),
        (3, Err(Refusal::NetworkUnreachable)),
        (4, Err(Refusal::HostUnreachable)),
        (5, Err(Refusal::ConnectionRefused)),
        (6, Err(Refusal::Expired)),
        (7, Err(Refusal::CommandUnknown)),
        (8, Err(Refusal::AddressUnknown)),
        (99, Err(Refusal::Other(99))),
    ] {
        for address in [
            &[1, 127, 0, 0, 1][..],
            &[4; 17],
            b"\x03\x06a.test",
            b"\x03\x00",
        ] {
            let mut read = BytesMut::from(&[5, code, 0][..]);
            read.extend_from_slice(address);
            read.extend_from_slice(&[4, 56]);
            for end in 0..read.len() {
                let mut part = BytesMut::from(&read[..end]);
                assert_eq!(reply_v5(&mut part), Ok(None), "{address:?} {end}");
                assert_eq!(part.len(), end);
            }
            read.extend_from_slice(b"SSH-2.0");
            assert_eq!(reply_v5(&mut read), Ok(Some(means)));
            assert_eq!(&read[..], b"SSH-2.0");
        }
    }
}

#[test]
fn every_reply_of_version_4_says_what_it_means() {
    for (code, means) in [
        (90, Ok(())),
        (91, Err(Refusal::Failed)),
        (92, Err(Refusal::Identity)),
        (93, Err(Refusal::Identity)),
        (0, Err(Refusal::Other(0))),
    ] {
        let mut read = BytesMut::from(&[0, code, 1, 2, 3, 4, 5, 6, b'x'][..]);
        assert_eq!(reply_v4(&mut read), Ok(Some(means)));
        assert_eq!(&read[..], b"x");
    }
}

#[test]
fn whoever_does_not_speak_socks_is_told_at_the_first_byte() {
    let mut http = BytesMut::from("H");
    assert!(reply_v4(&mut http).is_err());
    assert!(reply_v5(&mut http).is_err());
    assert!(method(&mut http).is_err());
    assert!(login(&mut http).is_err());
    assert!(
        method(&mut BytesMut::from(&[5, 1][..])).is_err(),
        "GSSAPI was not offered"
    );
    assert!(reply_v5(&mut BytesMut::from(&[5, 0, 0, 2][..])).is_err());
}

#[test]
fn methods_and_logins_are_told_apart() {
    for (bytes, means) in [
        ([5, 0], Method::NoneNeeded),
        ([5, 2], Method::Password),
        ([5, 0xff], Method::None),
    ] {
        assert_eq!(method(&mut BytesMut::from(&bytes[..1])), Ok(None));
        assert_eq!(method(&mut BytesMut::from(&bytes[..])), Ok(Some(means)));
    }
    for (bytes, means) in [
        ([1, 0], Login::Accepted),
        ([5, 0], Login::Accepted),
        ([1, 1], Login::Refused),
        ([1, 255], Login::Refused),
    ] {
        assert_eq!(login(&mut BytesMut::from(&bytes[..1])), Ok(None));
        assert_eq!(login(&mut BytesMut::from(&bytes[..])), Ok(Some(means)));
    }
}
