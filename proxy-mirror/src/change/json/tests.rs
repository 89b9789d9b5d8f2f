use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::change::render::{Inverse, inverse, render, take_back};
use crate::change::{Change, FileId};

const PROXY: &str = "http://127.0.0.1:3182";

fn change() -> Change {
    let key = |name: &str| {
        (
            vec!["proxies".to_owned(), name.to_owned()],
            Value::from(PROXY),
        )
    };
    Change::SetJsonKeys {
        file: FileId::DockerDaemonJson,
        keys: vec![key("http-proxy"), key("https-proxy")],
    }
}

fn rendered(text: &str) -> String {
    let bytes = render(
        &change(),
        Path::new("daemon.json"),
        Some(text.as_bytes()),
        None,
    );
    String::from_utf8(bytes.unwrap()).unwrap()
}

fn error(text: &str) -> String {
    render(
        &change(),
        Path::new("daemon.json"),
        Some(text.as_bytes()),
        None,
    )
    .unwrap_err()
    .to_string()
}

#[test]
fn an_absent_file_becomes_a_plain_object() {
    assert_eq!(
        rendered(""),
        "{\n  \"proxies\": {\n    \"http-proxy\": \"http://127.0.0.1:3182\",\n    \"https-proxy\": \"http://127.0.0.1:3182\"\n  }\n}\n"
    );
}

#[test]
fn tabs_comments_carriage_returns_and_a_missing_last_newline_stay() {
    let text =
        "{\r\n\t// why\r\n\t\"log-driver\" :   \"local\", /* kept */\r\n\t\"mtu\": 1.50e3\r\n}";
    let after = rendered(text);
    assert!(
        after.starts_with(
            "{\r\n\t// why\r\n\t\"log-driver\" :   \"local\", /* kept */\r\n\t\"mtu\": 1.50e3"
        ),
        "{after:?}"
    );
    assert!(
        after.contains("\r\n\t\"proxies\": {\r\n\t\t\"http-proxy\""),
        "{after:?}"
    );
    assert!(!after.replace("\r\n", "").contains('\n'), "{after:?}");
    assert!(after.ends_with('}'), "{after:?}");
}

#[test]
fn a_byte_order_mark_stays() {
    assert!(rendered("\u{feff}{}\n").starts_with("\u{feff}{"));
}

#[test]
fn what_is_no_json_is_named_by_line_and_column() {
    assert!(
        error("{\n  \"a\": 1,,\n}").starts_with("daemon.json:2:10: "),
        "{}",
        error("{\n  \"a\": 1,,\n}")
    );
    assert!(error("{\n  \"a\": 1,\n}").starts_with("daemon.json:"));
    assert!(
        error("{'a': 1}").starts_with("daemon.json:1:2: "),
        "{}",
        error("{'a': 1}")
    );
    assert!(error("[1]").contains("daemon.json:1:1: the file must hold an object"));
    assert!(error("// only a comment\n").contains("must hold an object"));
}

#[test]
fn a_name_that_occurs_twice_is_refused() {
    let said = error("{\n  \"proxies\": {},\n  \"proxies\": {}\n}");
    assert!(
        said.starts_with("daemon.json:3:3: `proxies` occurs twice"),
        "{said}"
    );
    // Also where the second is spelt with an escape, and below another member.
    assert!(error(r#"{"x": [{"ab": 1, "\u0061b": 2}]}"#).contains("occurs twice"));
}

#[test]
fn a_member_of_another_kind_is_not_overwritten() {
    assert!(error(r#"{"proxies": "none"}"#).contains("`proxies` is there, and is no object"));
}

#[test]
fn what_others_wrote_since_is_kept_when_ours_is_taken_out() {
    let before = r#"{"proxies": {"http-proxy": "http://old:1", "x": 1}}"#;
    let path = Path::new("daemon.json");
    let after = rendered(before);
    let undo = inverse(
        &change(),
        path,
        Some(before.as_bytes()),
        after.as_bytes(),
        None,
    )
    .unwrap();
    let theirs = after.replace("\"x\": 1", "\"x\": 2");
    let left = take_back(&undo, path, Some(before.as_bytes()), theirs.as_bytes())
        .unwrap()
        .unwrap();
    let left: Value = serde_json::from_slice(&left).unwrap();
    assert_eq!(
        left,
        json!({"proxies": {"http-proxy": "http://old:1", "x": 2}})
    );
    // A value of ours that they changed is theirs.
    let theirs = after.replacen(PROXY, "http://theirs:9", 1);
    let left = take_back(&undo, path, Some(before.as_bytes()), theirs.as_bytes())
        .unwrap()
        .unwrap();
    let left: Value = serde_json::from_slice(&left).unwrap();
    assert_eq!(
        left,
        json!({"proxies": {"http-proxy": "http://theirs:9", "x": 1}})
    );
}

#[test]
fn objects_that_were_made_for_ours_go_with_it() {
    let path = Path::new("daemon.json");
    let after = rendered("");
    let undo = inverse(&change(), path, None, after.as_bytes(), None).unwrap();
    assert!(matches!(&undo, Inverse::JsonKeys { made, .. } if made.len() == 1));
    assert_eq!(
        take_back(&undo, path, None, after.as_bytes()).unwrap(),
        None
    );
    let theirs = after.replacen('{', "{\n  \"debug\": true,", 1);
    let left = take_back(&undo, path, None, theirs.as_bytes())
        .unwrap()
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&left).unwrap(),
        json!({"debug": true})
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~äß\\\\\"\n\u{1f6a2}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\\-]{1,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn space(seed: &mut u64, newline: &str, out: &mut String) {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    out.push_str(match (*seed >> 33) % 6 {
        0 => " ",
        1 => "\t",
        2 => newline,
        3 => "  ",
        _ => "",
    });
}

/// Writes a value with odd spaces, as the seed has them.
fn oddly(value: &Value, seed: &mut u64, newline: &str, out: &mut String) {
    match value {
        Value::Object(members) => {
            out.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                space(seed, newline, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                space(seed, newline, out);
                out.push(':');
                space(seed, newline, out);
                oddly(member, seed, newline, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (at, element) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                oddly(element, seed, newline, out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

proptest! {
    /// Whatever the document: the edit changes ours alone, and taking it back leaves the rest.
    #[test]
    fn an_edit_changes_ours_alone_and_goes_without_a_trace(
        members in proptest::collection::btree_map("[a-z\\-]{1,8}", value(), 0..5),
        mut seed in any::<u64>(),
        crlf in any::<bool>(),
    ) {
        let mut document = Value::Object(members.into_iter().collect());
        if !document.get("proxies").is_none_or(Value::is_object) {
            document["proxies"] = json!({});
        }
        let mut text = String::new();
        oddly(&document, &mut seed, if crlf { "\r\n" } else { "\n" }, &mut text);
        let path = Path::new("daemon.json");
        let after = render(&change(), path, Some(text.as_bytes()), None).unwrap();
        let mut expected = document.clone();
        expected["proxies"]["http-proxy"] = PROXY.into();
        expected["proxies"]["https-proxy"] = PROXY.into();
        prop_assert_eq!(serde_json::from_slice::<Value>(&after).unwrap(), expected);
        // A second edit finds nothing to do.
        let again = render(&change(), path, Some(&after), None).unwrap();
        prop_assert_eq!(&again, &after);
        let undo = inverse(&change(), path, Some(text.as_bytes()), &after, None).unwrap();
        let left = take_back(&undo, path, Some(text.as_bytes()), &after).unwrap();
        let left = left.map_or(json!({}), |left| serde_json::from_slice(&left).unwrap());
        prop_assert_eq!(left, document);
    }

    #[test]
    fn no_text_makes_the_editor_panic(text in "[{}\\[\\],:\"a-z0-9\\\\/*\n\t .+-]{0,64}") {
        let _ = render(&change(), Path::new("daemon.json"), Some(text.as_bytes()), None);
    }
}
