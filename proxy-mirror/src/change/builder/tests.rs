use std::path::Path;

use super::{Hindrance, Instance, Read, is_name};
use crate::change::render::{inverse, render, take_back};
use crate::change::{Change, ChangeError, FileId};

/// As buildx 0.13.1 writes it.
const PLAIN: &str = r#"{"Name":"mine","Driver":"docker-container","Nodes":[{"Name":"mine0","Endpoint":"unix:///var/run/docker.sock","Platforms":null,"DriverOpts":null,"Flags":["--allow-insecure-entitlement=network.host"],"Files":null}],"Dynamic":false}"#;
const PATH: &str = "/home/ann/.docker/buildx/instances/mine";

fn read(text: &str) -> Result<Read, ChangeError> {
    Instance::read(Path::new(PATH), text.as_bytes())
}

fn with_options(options: &str) -> String {
    PLAIN.replace("\"DriverOpts\":null", &format!("\"DriverOpts\":{options}"))
}

#[test]
fn a_builder_is_known_by_its_name_its_container_and_what_it_is_told() {
    let builder = read(PLAIN).unwrap().unwrap();
    assert_eq!(builder.name(), "mine");
    assert_eq!(builder.container(), "buildx_buildkit_mine0");
    assert_eq!(builder.endpoint(), "unix:///var/run/docker.sock");
    assert!(builder.environment().is_empty());

    let builder = read(&with_options(
        r#"{"env.http_proxy":"http://a:1","memory":"2g"}"#,
    ));
    let builder = builder.unwrap().unwrap();
    assert_eq!(builder.environment()["http_proxy"], "http://a:1");
    assert_eq!(builder.environment().len(), 1);
    let told = |environment: &[&str]| {
        let environment: Vec<String> = environment.iter().map(|&set| set.to_owned()).collect();
        builder.has_told(&environment)
    };
    assert!(told(&["PATH=/bin", "http_proxy=http://a:1"]));
    assert!(!told(&["PATH=/bin"]));
    assert!(!told(&["http_proxy=http://a:2"]));
    // The file says nothing of it any more.
    assert!(!told(&["http_proxy=http://a:1", "HTTPS_PROXY=http://a:1"]));
}

#[test]
fn other_builders_are_known_by_what_is_other_about_them() {
    let hindrance = |text: &str| read(text).unwrap().unwrap_err();
    let remote = PLAIN.replace("docker-container", "remote");
    assert_eq!(hindrance(&remote), Hindrance::Driver("remote".into()));
    let node = PLAIN.find("{\"Name\":\"mine0\"").unwrap()..PLAIN.rfind(']').unwrap();
    let node = &PLAIN[node];
    let two = PLAIN.replace(node, &format!("{node},{node}"));
    assert_eq!(hindrance(&two), Hindrance::Nodes(2));
    let without = PLAIN.replace(&format!("[{node}]"), "null");
    assert_eq!(hindrance(&without), Hindrance::Nodes(0));
    for elsewhere in [
        "tcp://192.0.2.1:2375",
        "my-context",
        "--host=tcp://192.0.2.1:2375",
        "unix://relative",
        "unix:///a\\nb",
    ] {
        let text = PLAIN.replace("unix:///var/run/docker.sock", elsewhere);
        assert!(
            matches!(hindrance(&text), Hindrance::Endpoint(_)),
            "{elsewhere}"
        );
    }
}

#[test]
fn a_file_that_names_another_builder_or_what_is_no_name_is_refused() {
    for text in [
        "",
        "[]",
        "{\"Name\":\"mine\"}",
        &PLAIN.replace("\"Name\":\"mine\"", "\"Name\":\"other\""),
        &PLAIN.replace("mine0", "--privileged"),
        &PLAIN.replace("mine0", "a b"),
        &PLAIN.replace("mine0", ""),
        &PLAIN.replace("mine0", &"a".repeat(129)),
        &with_options("{\"env.http_proxy\":7}"),
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    for name in ["", "-f", ".", "..", "1a", "a/b", "a\nb", "ä"] {
        assert!(!is_name(name), "{name:?}");
    }
    assert!(is_name("a.B_c-1"));
    // What stands there may be a password: it is not said.
    let error = read(&with_options("{\"env.TOKEN\":[\"canary\"],\"a\":1,canary}"));
    assert!(!error.unwrap_err().to_string().contains("canary"));
}

#[test]
fn variables_come_among_the_options_and_go_without_a_trace_where_buildx_wrote_since() {
    let path = Path::new(PATH);
    let change = Change::SetJsonKeys {
        file: FileId::BuildxInstance { path: path.into() },
        keys: vec![(super::option("http_proxy"), "http://a:1".into())],
    };
    for options in [
        "null",
        "{}",
        r#"{"memory":"2g"}"#,
        r#"{"env.http_proxy":"http://theirs:1","env.FOO":"a,b"}"#,
    ] {
        let text = with_options(options);
        let after = render(&change, path, Some(text.as_bytes()), None).unwrap();
        let builder = Instance::read(path, &after).unwrap().unwrap();
        assert_eq!(builder.environment()["http_proxy"], "http://a:1");
        let mut expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        if options == "null" {
            expected["Nodes"][0]["DriverOpts"] = serde_json::json!({});
        }
        let kept = expected.clone();
        expected["Nodes"][0]["DriverOpts"]["env.http_proxy"] = "http://a:1".into();
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(json(&after), expected);

        let undo = inverse(&change, path, Some(text.as_bytes()), &after, None).unwrap();
        let rewritten = serde_json::to_vec(&json(&after)).unwrap();
        let back = take_back(&undo, path, Some(text.as_bytes()), &rewritten)
            .unwrap()
            .unwrap();
        assert_eq!(json(&back), kept);
    }
    // One that became another kind since is not changed.
    let none = PLAIN.replace("\"Nodes\":[", "\"Nodes\":[1,");
    assert!(render(&change, path, Some(none.as_bytes()), None).is_err());
}
