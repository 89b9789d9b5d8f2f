use proptest::prelude::*;

use super::*;

const KEY: &str = r"HKCU\Software\A";

fn utf16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    [0xff, 0xfe].into_iter().chain(units).collect()
}

fn export(lines: &str) -> String {
    format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Software\\A]\r\n{lines}\r\n"
    )
}

#[test]
fn every_type_of_value_is_read() {
    let text = export(
        "\"Text\"=\"C:\\\\Program \\\"x\\\" 日本\r\nsecond line\"\r\n@=\"own\"\r\n; a comment\r\n\
         \"Number\"=dword:0000ffff\r\n\"Bytes\"=hex:01,ff,\\\r\n  0a\r\n\"None\"=hex:\r\n\
         \"Path\"=hex(2):25,00,41,00,00,00\r\n\"Big\"=hex(b):01,00,00,00,00,00,00,00\r\n\
         \"Small\"=hex(4):02,00,00,00\r\n",
    );
    for bytes in [
        utf16(&text),
        text.clone().into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        utf16(&text.replace("\r\n", "\n")),
    ] {
        let registry = Registry::of_export(&bytes).unwrap();
        let text = registry.text(KEY, "text").unwrap().unwrap();
        let text = text.replace('\r', "");
        assert_eq!(text, "C:\\Program \"x\" 日本\nsecond line");
        assert_eq!(registry.text(KEY, ""), Ok(Some("own")));
        assert_eq!(registry.number(KEY, "Number"), Ok(Some(0xffff)));
        assert_eq!(registry.number(KEY, "Small"), Ok(Some(2)));
        assert_eq!(registry.bytes(KEY, "Bytes"), Ok(Some(&[1, 0xff, 10][..])));
        assert_eq!(registry.bytes(KEY, "None"), Ok(Some(&[][..])));
        assert_eq!(registry.text(KEY, "Path"), Ok(Some("%A")));
        assert_eq!(registry.text(KEY, "absent"), Ok(None));
        let failed = registry.text(KEY, "Big").unwrap_err();
        assert_eq!(failed.0, r"HKCU\Software\A: Big");
        let names: Vec<&str> = registry.values(KEY).map(|(name, _)| name).collect();
        assert_eq!(names.len(), 8, "{names:?}");
    }
}

#[test]
fn case_means_nothing_and_a_bracket_in_a_key_is_one() {
    let text = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\A [x]]\r\n\"B\"=\"1\"\r\n\
                [HKEY_LOCAL_MACHINE\\SOFTWARE\\a [X]]\r\n\"b\"=\"2\"\r\n";
    let registry = Registry::of_export(&utf16(text)).unwrap();
    for key in [r"HKLM\Software\A [x]", r"hkey_local_machine\software\a [x]"] {
        assert_eq!(registry.text(key, "B"), Ok(Some("2")), "{key}");
    }
    assert_eq!(registry.text(r"HKCU\Software\A [x]", "B"), Ok(None));
}

#[test]
fn what_is_no_export_is_refused_with_its_place() {
    for (text, error) in [
        (String::new(), "line 1, column 1: an export begins with"),
        ("REGEDIT4\r\n".into(), "line 1, column 1: an export begins"),
        (
            "Windows Registry Editor Version 5.00\n\"a\"=\"b\"".into(),
            "line 2, column 1: a value stands in no key",
        ),
        (
            "Windows Registry Editor Version 5.00\n[HKCU\\A]".into(),
            "line 2, column 1: a path begins with a hive",
        ),
        (
            "Windows Registry Editor Version 5.00\n[-HKEY_CURRENT_USER\\A]".into(),
            "line 2, column 1: a path begins with a hive",
        ),
        (
            "Windows Registry Editor Version 5.00\n[HKEY_CURRENT_USER\\A".into(),
            "line 2, column 1: `]` was expected",
        ),
        (export("a=1"), "line 4, column 1: `\"` was expected"),
        (export("\"a\":1"), "line 4, column 4: `=` was expected"),
        (export("\"a\"=-"), "line 4, column 5: a string, `dword:`"),
        (
            export("\"a\"=\"b"),
            "line 4, column 5: this string has no end",
        ),
        (
            export("\"a\"=\"\\n\""),
            "line 4, column 8: behind `\\` stands",
        ),
        (
            export("\"a\"=\"b\" c"),
            "line 4, column 8: the line should end",
        ),
        (export("\"a\"=dword:"), "line 4, column 5: behind `dword:`"),
        (export("\"a\"=dword:123456789"), "line 4, column 5: behind"),
        (
            export("\"a\"=hex:1,100"),
            "line 4, column 11: a byte is of two",
        ),
        (
            export("\"a\"=hex:01,"),
            "line 4, column 12: a byte is of two",
        ),
        (
            export("\"a\"=hex:01,\\ x"),
            "line 4, column 13: the line should",
        ),
        (
            export("\"a\"=hex(4):01"),
            "line 4, column 5: these bytes are not",
        ),
        (
            export("\"a\"=hex(2):01"),
            "line 4, column 5: these bytes are not",
        ),
        (
            export("\"a\"=hex(z):01"),
            "line 4, column 5: the type is no",
        ),
        (export("\"a\"=hex(4:01"), "line 4, column 10: `)` was"),
        (export("\"a\"=hex=01"), "line 4, column 8: `:` was"),
    ] {
        let failed = Registry::of_export(&utf16(&text)).unwrap_err().to_string();
        assert!(failed.starts_with(error), "{text:?}: {failed}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let mut half = utf16("Windows Registry Editor Version 5.00\r\n");
    half.push(b'x');
    let lone = [utf16("ab\n"), vec![0, 0xd8, b'x', 0]].concat();
    let latin = b"ab\n\xe9".to_vec();
    for (bytes, error) in [
        (half, "line 2, column 1: it is not UTF-16"),
        (lone, "line 2, column 1: it is not UTF-16"),
        (latin, "line 2, column 1: it is neither"),
        (vec![b' '; (4 << 20) + 1], "line 1, column 1: it is larger"),
    ] {
        let failed = Registry::of_export(&bytes).unwrap_err().to_string();
        assert!(failed.starts_with(error), "{failed}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Registry::of_export(&bytes);
        let _ = Registry::of_export(&[&[0xff, 0xfe], &bytes[..]].concat());
    }

    #[test]
    fn no_lines_make_it_panic(
        lines in prop::collection::vec("[\\[\\]\"@=\\\\;:,()hexdwor0-9a-f \r\n日]{0,12}", 0..20),
    ) {
        if let Err(error) = Registry::of_export(&utf16(&export(&lines.concat()))) {
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }

    #[test]
    fn what_was_exported_is_read(
        name in "[^\u{0}\r\n]{1,10}", text in "[^\u{0}]{0,20}", number in any::<u32>(),
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex: Vec<String> = hex.chunks(25).map(|line| line.join(",")).collect();
        let lines = format!(
            "\"{}\"=\"{}\"\r\n\"#number\"=dword:{number:08x}\r\n\"#bytes\"=hex:{}\r\n",
            escaped(&name), escaped(&text), hex.join(",\\\r\n  "),
        );
        let registry = Registry::of_export(&utf16(&export(&lines))).unwrap();
        prop_assert_eq!(registry.text(KEY, &name), Ok(Some(text.as_str())));
        prop_assert_eq!(registry.number(KEY, "#number"), Ok(Some(number)));
        prop_assert_eq!(registry.bytes(KEY, "#bytes"), Ok(Some(bytes.as_slice())));
    }
}
