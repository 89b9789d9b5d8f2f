//! Policies in Windows's registry. The fixture is written after the documented format, not recorded:
//! see `windows/fixtures/README.md`.

use super::*;
use crate::source::windows::{Registry, Value as InRegistry};

const KEY: &str = r"HKLM\Software\Policies\Mozilla\Firefox\Proxy";

fn policies() -> Registry {
    Registry::of_export(include_bytes!("../../windows/fixtures/browsers.reg")).unwrap()
}

fn set(values: &[(&str, InRegistry)]) -> Registry {
    let mut registry = Registry::default();
    for (name, value) in values {
        registry.set(KEY, name, value.clone());
    }
    registry
}

#[test]
fn a_locked_policy_stands_over_the_profile_and_over_the_file() {
    let home = Home::new(r#"user_pref("network.proxy.type", 0);"#);
    home.write(
        "etc/policies.json",
        r#"{"policies":{"Proxy":{"Mode":"autoDetect","Locked":true}}}"#,
    );
    let source = home.source();
    let reading = source.read_under(&policies()).unwrap();
    assert_eq!(reading.origin.english, format!("{KEY}: HTTPProxy"));
    let Says::Proxy {
        upstream, bypass, ..
    } = reading.says
    else {
        panic!("{:?}", reading.says);
    };
    assert_eq!(upstream.to_string(), "http://proxy.corp.example:3128");
    assert_eq!(bypass.to_string(), "<local>,corp.example");
    assert_eq!(
        source.read().unwrap().says,
        Says::Pac { url: None },
        "without a registry the file holds"
    );
}

#[test]
fn the_users_key_is_asked_where_the_machine_has_none() {
    let home = Home::new("");
    let mut registry = Registry::default();
    let key = KEY.replace("HKLM", "HKCU");
    registry.set(&key, "Mode", InRegistry::Text("none".to_owned()));
    let reading = home.source().read_under(&registry).unwrap();
    assert_eq!(reading.says, Says::Direct);
    assert_eq!(reading.origin.english, format!("{key}: Mode"));
}

#[test]
fn a_policy_that_is_not_locked_is_a_default() {
    let home = Home::new(r#"user_pref("network.proxy.type", 0);"#);
    let mode = ("Mode", InRegistry::Text("autoDetect".to_owned()));
    for (locked, says) in [(0, Says::Direct), (1, Says::Pac { url: None })] {
        let registry = set(&[mode.clone(), ("Locked", InRegistry::Number(locked))]);
        assert_eq!(home.source().read_under(&registry).unwrap().says, says);
    }
}

#[test]
fn a_value_that_firefox_refuses_is_an_error_with_its_key() {
    let home = Home::new("");
    for (name, value) in [
        ("Mode", InRegistry::Text("soon".to_owned())),
        ("Locked", InRegistry::Number(2)),
        ("Locked", InRegistry::Text("yes".to_owned())),
        ("HTTPProxy", InRegistry::Number(1)),
    ] {
        let failed = home.source().read_under(&set(&[(name, value)]));
        assert_eq!(failed.unwrap_err().origin, KEY, "{name}");
    }
}
