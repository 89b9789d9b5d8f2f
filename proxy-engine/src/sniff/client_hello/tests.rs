use proptest::prelude::*;

use super::sample::{extension, message, names, post_quantum, records};
use super::{ClientHello, HELLO_LIMIT, Sniffed, Sniffer, sniff};

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

#[test]
fn a_hello_without_an_end_is_waited_for_64_kib_and_no_byte_longer() {
    // A message of 60 KB in records of one byte: six bytes on the wire for each.
    let endless = records(&[&[1, 0, 0xea, 0x60][..], &vec![0; 60_000]].concat(), 1);
    assert_eq!(sniff(&endless[..HELLO_LIMIT - 1]), Sniffed::Incomplete);
    assert_eq!(sniff(&endless[..HELLO_LIMIT]), Sniffed::NotTls);
    assert_eq!(sniff(&endless), Sniffed::NotTls);
    let mut sniffer = Sniffer::default();
    for end in 0..HELLO_LIMIT {
        assert_eq!(sniffer.look(&endless[..end]), Sniffed::Incomplete, "{end}");
    }
    assert_eq!(sniffer.look(&endless), Sniffed::NotTls);
    assert!(sniffer.message.len() <= HELLO_LIMIT);
}

proptest! {
    #[test]
    fn what_comes_little_by_little_is_what_comes_at_once(
        size in 1..1800usize,
        mut cuts in proptest::collection::vec(0..20_000usize, 0..40),
        edit in proptest::option::of((0..20_000usize, any::<u8>())),
    ) {
        let mut bytes = records(&post_quantum(), size);
        bytes.extend_from_slice(&[20, 3, 3, 0, 1, 1]);
        if let Some((at, byte)) = edit {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut sniffer = Sniffer::default();
        for cut in cuts {
            let seen = &bytes[..cut.min(bytes.len())];
            let now = sniffer.look(seen);
            prop_assert_eq!(&now, &sniff(seen));
            if now != Sniffed::Incomplete {
                break;
            }
        }
    }

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
