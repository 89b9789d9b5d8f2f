use proptest::prelude::*;

use super::{ClientHello, Sniffed, sniff};

/// A TLS extension.
fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short");
    [&kind.to_be_bytes(), &length.to_be_bytes(), body].concat()
}

fn names(names: &[&[u8]]) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        list.push(0);
        list.extend_from_slice(&u16::try_from(name.len()).expect("short").to_be_bytes());
        list.extend_from_slice(name);
    }
    let length = u16::try_from(list.len()).expect("short");
    extension(0, &[&length.to_be_bytes(), list.as_slice()].concat())
}

/// A handshake message with these extensions, the way OpenSSL lays it out.
fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = extensions.concat();
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.push(32);
    body.extend_from_slice(&[9; 32]);
    body.extend_from_slice(&[0, 4, 0x13, 0x01, 0x13, 0x02, 1, 0]);
    body.extend_from_slice(
        &u16::try_from(extensions.len())
            .expect("short")
            .to_be_bytes(),
    );
    body.extend_from_slice(&extensions);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[1, length[1], length[2], length[3]], body.as_slice()].concat()
}

/// The message in records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(size) {
        out.extend_from_slice(&[22, 3, 1]);
        out.extend_from_slice(&u16::try_from(part.len()).expect("short").to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// 1.7 KiB, with a key share as long as X25519MLKEM768's.
fn post_quantum() -> Vec<u8> {
    message(&[
        extension(0x2a2a, &[]),
        extension(51, &[5; 1220]),
        extension(16, &[0, 3, 2, b'h', b'2']),
        names(&[b"Web.Example.Test."]),
        extension(0x3a3a, &[0]),
        extension(21, &[0; 300]),
    ])
}

fn named(extensions: &[Vec<u8>]) -> Option<String> {
    match sniff(&records(&message(extensions), 16_384)) {
        Sniffed::Hello(hello) => hello.server_name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hello_is_incomplete_until_its_last_byte_however_it_is_cut_into_records() {
    let message = post_quantum();
    for size in [
        1,
        2,
        3,
        4,
        5,
        27,
        512,
        1000,
        message.len() - 1,
        message.len(),
    ] {
        let bytes = records(&message, size);
        for end in 0..bytes.len() {
            assert_eq!(sniff(&bytes[..end]), Sniffed::Incomplete, "{size} {end}");
        }
        let hello = Sniffed::Hello(ClientHello {
            server_name: Some("web.example.test".into()),
            encrypted_hello: false,
        });
        assert_eq!(sniff(&bytes), hello, "{size}");
        // 0-RTT or a CCS right behind changes nothing.
        assert_eq!(
            sniff(&[&bytes[..], &[20, 3, 3, 0, 1, 1, 23, 3]].concat()),
            hello
        );
    }
}

#[test]
fn other_protocols_are_told_apart_at_once() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x",
        b"\x80\x2e\x01",
        b"\x16\x02",
        b"\x16\x03\x09",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x05\x02",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x01\x01\x17\x03",
        b"\x15",
    ] {
        assert_eq!(sniff(bytes), Sniffed::NotTls, "{bytes:?}");
    }
}

#[test]
fn a_name_survives_malformed_neighbours() {
    let broken_alpn = extension(16, &[0xff, 0xff, 0xff]);
    assert_eq!(
        named(&[broken_alpn, names(&[b"a.test"])]).as_deref(),
        Some("a.test")
    );
    let mut cut = names(&[b"a.test"]);
    cut.extend_from_slice(&[0, 16, 0xff, 0xff, 1]);
    assert_eq!(named(&[cut]).as_deref(), Some("a.test"));
}

#[test]
fn a_name_that_must_not_reach_a_connect_line_counts_as_none() {
    for name in [
        &b"a.test\0"[..],
        b"a.test\r\nX: y",
        b"10.0.0.1",
        b"::1",
        b"[::1]",
        b"",
        b"a..b",
        b".",
        b"a b",
        "ä.test".as_bytes(),
        &[b'a'; 64],
        &b"a.".repeat(130),
        b"a.test:443",
        b"a/b",
    ] {
        assert_eq!(named(&[names(&[name])]), None, "{name:?}");
    }
    assert_eq!(named(&[names(&[b"a.test", b"b.test"])]), None);
    assert_eq!(named(&[names(&[b"a.test"]), names(&[b"b.test"])]), None);
    assert_eq!(
        named(&[names(&[b"a.test"]), names(&[b"A.test"])]).as_deref(),
        Some("a.test")
    );
    assert_eq!(named(&[extension(0, &[0])]), None);
    assert_eq!(named(&[]), None);
}

#[test]
fn an_encrypted_hello_is_noticed() {
    let bytes = records(
        &message(&[names(&[b"front.test"]), extension(0xfe0d, &[0; 40])]),
        16_384,
    );
    let Sniffed::Hello(hello) = sniff(&bytes) else {
        panic!("no hello");
    };
    assert!(hello.encrypted_hello);
}

proptest! {
    #[test]
    fn the_answer_for_growing_prefixes_never_changes_once_decided(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(|tail| [&[22, 3, 1], &tail[..]].concat()),
            (proptest::collection::vec((0..2400usize, any::<u8>()), 0..4), 1..800usize).prop_map(|(edits, size)| {
                let mut bytes = records(&post_quantum(), size);
                for (at, byte) in edits {
                    let at = at % bytes.len();
                    bytes[at] = byte;
                }
                bytes
            }),
        ]
    ) {
        let whole = sniff(&bytes);
        let mut decided = None;
        for end in 0..=bytes.len() {
            let now = sniff(&bytes[..end]);
            match &decided {
                None if now != Sniffed::Incomplete => decided = Some(now),
                None => {}
                Some(before) => prop_assert_eq!(before, &now),
            }
        }
        prop_assert_eq!(decided.unwrap_or(Sniffed::Incomplete), whole.clone());
        if let Sniffed::Hello(ClientHello { server_name: Some(name), .. }) = whole {
            prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)));
        }
    }
}
