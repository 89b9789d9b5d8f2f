//! Policies in Windows's registry. The fixture is written after the documented format, not recorded:
//! see `windows/fixtures/README.md`.

use super::*;
use crate::source::windows::{Registry, Value};

fn browsers() -> Registry {
    Registry::of_export(include_bytes!("../../windows/fixtures/browsers.reg")).unwrap()
}

fn read(machine: &Machine, id: SourceId, registry: &Registry) -> (String, String) {
    let reading = machine.source(id).read_under(registry).unwrap();
    (reading.says.to_string(), reading.origin.to_string())
}

#[test]
fn every_browsers_policies_are_read_with_their_origin() {
    let machine = Machine::new();
    for (id, says, origin) in [
        (
            SourceId::Chrome,
            "http://proxy.corp.example:3128",
            r"HKLM\Software\Policies\Google\Chrome: ProxySettings",
        ),
        (
            SourceId::Edge,
            "PAC file http://wpad.corp.example/proxy.pac",
            r"HKLM\Software\Policies\Microsoft\Edge: ProxyPacUrl",
        ),
        (
            SourceId::Brave,
            "automatic detection",
            r"HKLM\Software\Policies\BraveSoftware\Brave\Recommended: ProxyMode",
        ),
        (
            SourceId::Chromium,
            "no proxy",
            r"HKCU\Software\Policies\Chromium: ProxySettings",
        ),
    ] {
        let read = read(&machine, id, &browsers());
        assert_eq!(read, (says.to_owned(), origin.to_owned()));
    }
    let chrome = machine.source(SourceId::Chrome);
    let reading = chrome.read_under(&browsers()).unwrap();
    let Says::Proxy { bypass, .. } = reading.says else {
        panic!("{:?}", reading.says);
    };
    assert_eq!(bypass.to_string(), "<local>,.corp.example");
}

#[test]
fn the_machines_policy_stands_over_the_users_and_both_over_the_profile() {
    let machine = Machine::new();
    machine.profile(r#"{"mode":"auto_detect"}"#);
    let key = |hive: &str, level: &str| format!(r"{hive}\SOFTWARE\Policies\Google\Chrome{level}");
    let mut registry = Registry::default();
    let text = |text: &str| Value::Text(text.to_owned());
    let says = |registry: &Registry| read(&machine, SourceId::Chrome, registry).0;
    registry.set(&key("HKLM", r"\Recommended"), "ProxyMode", text("direct"));
    assert_eq!(says(&registry), "automatic detection");
    registry.set(&key("HKCU", ""), "proxymode", text("fixed_servers"));
    registry.set(&key("HKCU", ""), "ProxyServer", text("user:1"));
    assert_eq!(says(&registry), "http://user:1");
    registry.set(&key("HKLM", ""), "ProxyServer", text("machine:1"));
    assert_eq!(says(&registry), "http://machine:1");
    registry.set(&key("HKLM", ""), "ProxyMode", text("direct"));
    assert_eq!(says(&registry), "no proxy");
}

#[test]
fn a_mode_may_be_a_number_or_its_text_and_what_is_of_no_such_type_is_none() {
    let machine = Machine::new();
    let key = r"HKCU\Software\Policies\Google\Chrome";
    for (value, says) in [
        (Value::Number(1), "automatic detection"),
        (Value::Text("0".to_owned()), "no proxy"),
        (Value::Binary(vec![0]), "nothing"),
        (Value::Other(11), "nothing"),
        (Value::Text("none".to_owned()), "nothing"),
    ] {
        let mut registry = Registry::default();
        registry.set(key, "ProxyServerMode", value);
        assert_eq!(read(&machine, SourceId::Chrome, &registry).0, says);
    }
}

#[test]
fn settings_that_are_no_json_are_an_error_with_their_place() {
    let machine = Machine::new();
    let key = r"HKLM\Software\Policies\Google\Chrome";
    for (value, error) in [
        (
            Value::Text("{\n \"ProxyMode\" direct }".to_owned()),
            format!("{key}: ProxySettings:2:14: "),
        ),
        (
            Value::Text("7".to_owned()),
            format!("{key}: ProxySettings: is not a JSON object"),
        ),
        (
            Value::Number(7),
            format!("{key}: ProxySettings: is no text (REG_SZ)"),
        ),
        (
            Value::Text(r#"{"ProxyMode":"soon"}"#.to_owned()),
            format!("{key}: ProxySettings: `ProxyMode` is `soon`"),
        ),
    ] {
        let mut registry = Registry::default();
        registry.set(key, "ProxySettings", value);
        let chrome = machine.source(SourceId::Chrome);
        let failed = chrome.read_under(&registry).unwrap_err().to_string();
        assert!(failed.starts_with(&error), "{failed}");
    }
}
