//! The fixtures are written after the documented format, not recorded: see `fixtures/README.md`.

use super::*;
use crate::source::{Lost, Reading, Says};

fn registry(export: &[u8]) -> Registry {
    Registry::of_export(export).unwrap()
}

/// What is said in turn, each with the end of its origin.
fn said(reading: &Reading) -> Vec<(String, String)> {
    let said = reading.in_turn().map(|reading| {
        let origin = reading.origin.to_string();
        let value = origin.rsplit('\\').next().unwrap_or_default().to_owned();
        (reading.says.to_string(), value)
    });
    said.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(owned).collect()
}

fn proxy(reading: &Reading) -> (String, Vec<Lost>) {
    match &reading.says {
        Says::Proxy { bypass, lost, .. } => (bypass.to_string(), lost.clone()),
        other => panic!("{other:?}"),
    }
}

const INSTALLED: &[u8] = include_bytes!("fixtures/as-installed.reg");
const PER_SCHEME: &[u8] = include_bytes!("fixtures/manual-per-scheme.reg");
const EVERYTHING: &[u8] = include_bytes!("fixtures/detection-script-and-manual.reg");
const VPN: &[u8] = include_bytes!("fixtures/vpn-entries.reg");
const MACHINE: &[u8] = include_bytes!("fixtures/machine-policy.reg");
const WINHTTP: &[u8] = include_bytes!("fixtures/winhttp.reg");
const ADVANCED: &[u8] = include_bytes!("fixtures/winhttp-advanced.reg");

const USER: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings";
const PACKED: &str = "Connections: DefaultConnectionSettings";

#[test]
fn a_registry_without_settings_says_nothing() {
    let reading = settings(&Registry::default(), None).unwrap();
    assert_eq!(reading.says, Says::Nothing);
    assert_eq!(
        reading.origin.english,
        "the desktop's settings are untouched"
    );
    let reading = settings(&registry(VPN), None).unwrap();
    assert_eq!(reading.says, Says::Nothing);
}

#[test]
fn windows_as_it_is_installed_detects() {
    let reading = settings(&registry(INSTALLED), None).unwrap();
    assert_eq!(said(&reading), pairs(&[("automatic detection", PACKED)]));
}

#[test]
fn the_proxy_for_https_is_followed_with_its_exceptions() {
    let reading = settings(&registry(PER_SCHEME), None).unwrap();
    assert_eq!(
        said(&reading),
        pairs(&[("http://proxy.corp.example:3128", PACKED)])
    );
    assert_eq!(
        reading.origin.english,
        format!(r"{USER}\{PACKED}"),
        "people find it"
    );
    let (bypass, lost) = proxy(&reading);
    assert_eq!(bypass, ".corp.example,10.0.0.0/8,=intranet,<local>");
    assert_eq!(lost, [Lost::other_for_http()]);
}

#[test]
fn detection_and_a_script_and_a_proxy_are_said_in_the_order_in_which_windows_tries_them() {
    let reading = settings(&registry(EVERYTHING), None).unwrap();
    assert_eq!(
        said(&reading),
        pairs(&[
            ("automatic detection", PACKED),
            ("PAC file http://wpad.corp.example/proxy.pac", PACKED),
            ("http://proxy.corp.example:3128", PACKED),
        ])
    );
    assert_eq!(
        reading.said().to_string(),
        "automatic detection; where there is none, PAC file http://wpad.corp.example/proxy.pac; \
         where there is none, http://proxy.corp.example:3128"
    );
}

#[test]
fn the_connection_that_is_up_has_its_own_settings() {
    let registry = registry(VPN);
    let name = r#"Corp "East" \ VPN"#;
    let reading = settings(&registry, Some(name)).unwrap();
    let said: Vec<String> = reading
        .in_turn()
        .map(|said| said.says.to_string())
        .collect();
    assert_eq!(
        said,
        [
            "PAC file http://vpn.corp.example/p.pac",
            "http://vpn.corp.example:8080"
        ]
    );
    assert_eq!(
        reading.origin.english,
        format!(r"{USER}\Connections: {name}")
    );
    for untouched in ["Old modem", "never set up"] {
        let reading = settings(&registry, Some(untouched)).unwrap();
        assert_eq!(reading.says, Says::Nothing, "{untouched}");
    }
}

#[test]
fn where_an_administrator_made_the_settings_everybodys_the_users_are_not_asked() {
    let mut registry = registry(MACHINE);
    registry.set(USER, "ProxyEnable", Value::Number(1));
    registry.set(USER, "ProxyServer", Value::Text("own:1".to_owned()));
    let reading = settings(&registry, None).unwrap();
    assert_eq!(reading.says.to_string(), "http://machine.corp.example:3128");
    assert_eq!(
        reading.origin.english,
        format!(r"HKLM\{}\{PACKED}", USER.strip_prefix(r"HKCU\").unwrap())
    );
    let policy = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings";
    registry.set(policy, "ProxySettingsPerUser", Value::Number(1));
    let reading = settings(&registry, None).unwrap();
    assert_eq!(reading.says.to_string(), "http://own:1");
}

#[test]
fn winhttps_settings_are_asked_last() {
    let mut registry = registry(WINHTTP);
    let reading = settings(&registry, None).unwrap();
    assert_eq!(
        said(&reading),
        pairs(&[(
            "http://proxy.corp.example:3128",
            "Connections: WinHttpSettings"
        )])
    );
    assert_eq!(proxy(&reading).0, ".corp.example,<local>");
    registry.set(USER, "AutoConfigURL", Value::Text("http://a/p".to_owned()));
    let reading = settings(&registry, None).unwrap();
    assert_eq!(reading.says.to_string(), "PAC file http://a/p");
    assert!(reading.otherwise.is_none(), "stores are not blended");

    let advanced = settings(&tests::registry(ADVANCED), None).unwrap();
    let value = "Connections: WinHttpSettings";
    assert_eq!(
        said(&advanced),
        pairs(&[
            ("PAC file http://wpad.corp.example/proxy.pac", value),
            ("http://192.0.2.45:3128", value)
        ])
    );
}

/// Only plain values, as a script sets them on a machine on which nobody has opened the dialog.
fn plain(values: &[(&str, Value)]) -> Registry {
    let mut registry = Registry::default();
    for (name, value) in values {
        registry.set(USER, name, value.clone());
    }
    registry
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn plain_values_are_followed_where_nothing_is_packed() {
    let server = ("ProxyServer", text("http://a.corp:80"));
    let on = ("ProxyEnable", Value::Number(1));
    let off = ("ProxyEnable", Value::Number(0));
    let detect = ("AutoDetect", Value::Number(1));
    let script = ("AutoConfigURL", text(" http://ann:pw@w.corp/p.pac "));
    for (values, want) in [
        (vec![on.clone(), server.clone()], vec!["http://a.corp:80"]),
        (vec![off, server.clone()], vec!["nothing"]),
        (vec![server.clone()], vec!["nothing"]),
        (vec![on.clone()], vec!["nothing"]),
        (
            vec![on.clone(), ("ProxyServer", text(" "))],
            vec!["nothing"],
        ),
        (
            vec![detect, script, on, server],
            vec![
                "automatic detection",
                "PAC file http://w.corp/p.pac",
                "http://a.corp:80",
            ],
        ),
    ] {
        let reading = settings(&plain(&values), None).unwrap();
        let said: Vec<String> = reading
            .in_turn()
            .map(|said| said.says.to_string())
            .collect();
        assert_eq!(said, want, "{values:?}");
    }
    let reading = settings(&plain(&[("AutoConfigURL", text("http://w/p"))]), None).unwrap();
    assert_eq!(reading.origin.english, format!("{USER}: AutoConfigURL"));
}

#[test]
fn what_only_the_plain_values_choose_is_followed_and_a_dispute_is_said() {
    let mut registry = registry(INSTALLED);
    registry.set(USER, "ProxyEnable", Value::Number(1));
    registry.set(USER, "ProxyServer", text("script.corp:3128"));
    let reading = settings(&registry, None).unwrap();
    assert_eq!(
        said(&reading),
        pairs(&[
            ("automatic detection", PACKED),
            ("http://script.corp:3128", "Internet Settings: ProxyServer"),
        ])
    );
    for (name, value, what) in [
        ("ProxyServer", text("other:1"), "names another proxy"),
        ("ProxyEnable", Value::Number(0), "is 0"),
    ] {
        let mut registry = tests::registry(PER_SCHEME);
        registry.set(USER, name, value);
        let reading = settings(&registry, None).unwrap();
        assert_eq!(reading.says.to_string(), "http://proxy.corp.example:3128");
        let note = format!(
            "{USER}: {name} {what}, which Windows takes over when a program tells it to look"
        );
        assert!(proxy(&reading).1.contains(&Lost::Other(note)), "{name}");
    }
}

#[test]
fn lists_of_proxies_are_read_as_windows_writes_them() {
    for (servers, want) in [
        ("p.corp:8080", "http://p.corp:8080"),
        ("p.corp", "http://p.corp:80"),
        ("http://p.corp:8080/", "http://p.corp:8080"),
        ("http=a:1 https=b:2", "http://b:2"),
        ("http=a:1;;\thttps=b:2 ;", "http://b:2"),
        ("http=a:1;socks=c:3", "socks4://c:3"),
        ("socks=c", "socks4://c:1080"),
        ("https=[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
    ] {
        let values = [
            ("ProxyEnable", Value::Number(1)),
            ("ProxyServer", text(servers)),
        ];
        let reading = settings(&plain(&values), None).unwrap();
        assert_eq!(reading.says.to_string(), want, "{servers}");
    }
}

#[test]
fn what_is_broken_is_an_error_with_its_place_and_shows_no_password() {
    let on = ("ProxyEnable", Value::Number(1));
    for (values, error) in [
        (
            vec![("ProxyEnable", text("1"))],
            format!("{USER}: ProxyEnable: is no number (REG_DWORD)"),
        ),
        (
            vec![on.clone(), ("ProxyServer", Value::Binary(vec![1]))],
            format!("{USER}: ProxyServer: is no text (REG_SZ)"),
        ),
        (
            vec![on.clone(), ("ProxyServer", text("http://ann:s3cret@p:1"))],
            format!(
                "{USER}: ProxyServer: the proxy holds a user or a password: none is read there"
            ),
        ),
        (
            vec![on, ("ProxyServer", text(";"))],
            format!("{USER}: ProxyServer: names no proxy: write HOST:PORT"),
        ),
    ] {
        let failed = settings(&plain(&values), None).unwrap_err();
        assert_eq!(failed.to_string(), error);
    }
    let mut registry = Registry::default();
    let key = format!(r"{USER}\Connections");
    let broken = Value::Binary(vec![0x46, 0, 0, 0, 1]);
    registry.set(&key, "DefaultConnectionSettings", broken);
    let failed = settings(&registry, None).unwrap_err();
    assert_eq!(
        failed.to_string(),
        format!(
            "{key}: DefaultConnectionSettings: byte 4: the count of changes: 4 bytes were \
             expected, and 1 are left"
        )
    );
    registry.set(&key, "DefaultConnectionSettings", text("ann:s3cret"));
    let failed = settings(&registry, None).unwrap_err().to_string();
    assert!(failed.ends_with("is not binary (REG_BINARY)"), "{failed}");
    assert!(!format!("{registry:?}").contains("s3cret"));
}
