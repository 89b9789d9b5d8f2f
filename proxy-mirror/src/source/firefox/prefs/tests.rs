use proptest::prelude::*;

use super::*;

fn malformed(text: &str) -> (usize, usize, &'static str) {
    let Malformed { line, column, what } = parse(text).unwrap_err();
    (line, column, what)
}

fn one(value: &str) -> Value {
    let parsed = parse(&format!("user_pref(\"k\", {value});")).unwrap();
    assert_eq!(parsed.len(), 1);
    parsed.into_iter().next().unwrap().1
}

#[test]
fn every_kind_of_value_and_comment_is_read() {
    let text = "// Mozilla User Preferences\n# old\n/* two\nlines */ user_pref( 'a' ,\n \"b\" ) ;\n\
                user_pref(\"n\",-1);user_pref(\"t\", true);";
    let parsed = parse(text).unwrap();
    assert_eq!(
        parsed,
        [
            ("a".to_owned(), Value::Text("b".to_owned()), 4),
            ("n".to_owned(), Value::Integer(-1), 6),
            ("t".to_owned(), Value::Flag(true), 6),
        ]
    );
}

#[test]
fn escapes_are_those_of_firefox_and_no_others() {
    assert_eq!(
        one(r#""\"\'\\\n\r\x41\u3042\uD83D\uDE00""#),
        Value::Text("\"'\\\n\rA\u{3042}\u{1f600}".to_owned())
    );
    assert_eq!(one("'it\"s'"), Value::Text("it\"s".to_owned()));
    for bad in [
        r"'\t'",
        r"'\x4'",
        r"'\uD83D'",
        r"'\uD83D\u0041'",
        r"'\uDE00'",
        r"'\x00'",
        "'a\0b'",
    ] {
        assert!(parse(&format!("user_pref('k', {bad});")).is_err(), "{bad}");
    }
}

#[test]
fn a_malformed_file_is_refused_with_line_and_column() {
    assert_eq!(
        malformed("user_pref(\"a\", 1);\nuser_pref(\"b\" 2);"),
        (2, 15, "`,` was expected")
    );
    assert_eq!(
        malformed("user_pref(\"a\", \"open);\n"),
        (1, 16, "this text has no closing quote")
    );
    assert_eq!(
        malformed("user_pref(\"a\", 1)"),
        (1, 18, "`;` was expected")
    );
    assert_eq!(malformed("\n\n  /* x"), (3, 3, "this comment has no end"));
    assert_eq!(malformed("pref(\"a\", 1);").2, "`user_pref(` was expected");
    assert_eq!(
        malformed("user_pref(\"a\", 99999999999);").2,
        "this is not a whole number of 32 bits"
    );
    assert_eq!(
        malformed("user_pref(\"a\", 1x);").2,
        "this is not a whole number"
    );
    // Columns count characters, not bytes.
    assert_eq!(malformed("user_pref(\"日本\", !);").1, 17);
}

fn shown(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Text(text) => {
            let escaped: String = text
                .chars()
                .flat_map(|c| match c {
                    '"' | '\\' => vec!['\\', c],
                    '\n' => vec!['\\', 'n'],
                    '\r' => vec!['\\', 'r'],
                    _ => vec![c],
                })
                .collect();
            format!("\"{escaped}\"")
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Flag),
        "[^\\x00]{0,40}".prop_map(Value::Text),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_that_looks_right_makes_the_parser_panic(
        text in "(user_pref|[(),;'\"\\\\xu/*# \n0-9a-f+-]|true|日){0,60}"
    ) {
        let _ = parse(&text);
    }

    #[test]
    fn what_firefox_writes_is_read_back(prefs in prop::collection::vec(("[a-z.]{1,12}", value()), 0..20)) {
        let lines: Vec<String> = prefs
            .iter()
            .map(|(name, value)| format!("user_pref(\"{name}\", {});\n", shown(value)))
            .collect();
        let text = lines.concat();
        let read: Vec<_> = parse(&text).unwrap().into_iter().map(|(n, v, _)| (n, v)).collect();
        prop_assert_eq!(read, prefs);
    }
}
