use proptest::prelude::*;

use super::*;

fn packed(size: u32, chosen: u32, texts: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [size, 7, chosen] {
        bytes.extend(number.to_le_bytes());
    }
    for text in texts {
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes.extend(rest);
    bytes
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {:?}", self.detect, self.script, self.proxy)
    }
}

#[test]
fn only_what_is_chosen_is_said() {
    let script = || Some("http://a/p".to_owned());
    let proxy = || Some(("p:1".to_owned(), "x;y".to_owned()));
    for (chosen, want) in [
        (0, (false, None, None)),
        (1, (false, None, None)),
        (2, (false, None, proxy())),
        (3, (false, None, proxy())),
        (5, (false, script(), None)),
        (9, (true, None, None)),
        (0xb, (true, None, proxy())),
        (0xf, (true, script(), proxy())),
    ] {
        let bytes = packed(0x46, chosen, &["p:1", "x;y", "http://a/p\0"], &[0; 32]);
        let (detect, script, proxy) = want;
        let want = Connection {
            detect,
            script,
            proxy,
        };
        assert_eq!(unpack(&bytes, Layout::WinInet), Ok(want), "{chosen}");
    }
    let empty = packed(60, 0xf, &["", "x", "\0"], &[]);
    let nothing = unpack(&empty, Layout::WinInet).unwrap();
    assert_eq!((nothing.script, nothing.proxy), (None, None));
}

#[test]
fn winhttp_packs_a_script_in_its_longer_form_alone() {
    let short = packed(24, 7, &["p:1", ""], &[3, 0, 0, 0, b'a']);
    let read = unpack(&short, Layout::WinHttp).unwrap();
    assert_eq!(read.script, None);
    assert_eq!(read.proxy, Some(("p:1".to_owned(), String::new())));
    let long = packed(40, 7, &["p:1", "", "http://a"], &[]);
    let read = unpack(&long, Layout::WinHttp).unwrap();
    assert_eq!(read.script.as_deref(), Some("http://a"));
    let without = packed(40, 3, &["p:1", ""], &[]);
    assert!(unpack(&without, Layout::WinHttp).is_ok());
    // What Microsoft gives for "direct", byte for byte.
    let direct = [
        0x18, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(unpack(&direct, Layout::WinHttp), Ok(Connection::default()));
}

#[test]
fn what_is_broken_is_named_with_its_byte() {
    let good = packed(0x46, 3, &["p:1", "x", ""], &[]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, error) in [
        (
            Vec::new(),
            "byte 0: the structure's size: 4 bytes were expected, and 0 are left",
        ),
        (
            with(0, 59),
            "byte 0: a structure of 59 bytes is of a form that is not known",
        ),
        (
            with(15, 0xff),
            "byte 16: the proxies: 4278190083 bytes were expected, and 12 are left",
        ),
        (
            with(12, 4),
            "byte 19: the proxies: holds a control character",
        ),
        (with(17, 0xff), "byte 17: the proxies: is no text"),
        (
            with(18, 7),
            "byte 18: the proxies: holds a control character",
        ),
        (
            good[..good.len() - 1].to_vec(),
            "byte 24: the length of the script's address: 4 bytes were expected, and 3 are left",
        ),
    ] {
        let failed = unpack(&bytes, Layout::WinInet).unwrap_err();
        assert_eq!(failed, error);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for layout in [Layout::WinInet, Layout::WinHttp] {
            if let Err(error) = unpack(&bytes, layout) {
                prop_assert!(error.starts_with("byte "), "{error}");
            }
        }
    }

    #[test]
    fn no_lengths_make_it_panic(
        chosen in 0_u32..16,
        lengths in prop::collection::vec(prop_oneof![0_u32..12, any::<u32>()], 3),
        cut in 0_usize..60,
    ) {
        let mut bytes = packed(0x46, chosen, &[], &[]);
        for length in lengths {
            bytes.extend(length.to_le_bytes());
            bytes.extend(b"proxy:80");
        }
        bytes.truncate(cut);
        if let Err(error) = unpack(&bytes, Layout::WinInet) {
            prop_assert!(error.starts_with("byte "), "{error}");
        }
    }

    #[test]
    fn what_was_packed_is_unpacked(
        proxies in "[a-z.:;=]{1,20}", exceptions in "[a-z*.;<>]{0,20}", script in "[a-z:/]{1,20}",
        rest in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let bytes = packed(0x46, 0xf, &[&proxies, &exceptions, &script], &rest);
        let want = Connection { detect: true, script: Some(script), proxy: Some((proxies, exceptions)) };
        prop_assert_eq!(unpack(&bytes, Layout::WinInet), Ok(want));
    }
}
