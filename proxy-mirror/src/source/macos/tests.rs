//! The fixtures are written after the documented format, not recorded: see `fixtures/README.md`.

use proptest::prelude::*;

use super::*;

const NONE: &str = include_str!("fixtures/none.txt");
const MANUAL: &str = include_str!("fixtures/manual.txt");
const EVERYTHING: &str = include_str!("fixtures/discovery-script-and-manual.txt");
const FULL_VPN: &str = include_str!("fixtures/full-vpn.txt");
const SPLIT_VPN: &str = include_str!("fixtures/split-vpn.txt");

fn read(text: &str) -> Reading {
    settings(text).unwrap()
}

fn dictionary(lines: &str) -> String {
    format!("<dictionary> {{\n{lines}\n}}\n")
}

fn proxy(reading: &Reading) -> (String, String, Vec<Lost>) {
    match &reading.says {
        Says::Proxy {
            upstream,
            bypass,
            lost,
        } => (upstream.to_string(), bypass.to_string(), lost.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mac_without_proxies_says_nothing() {
    for text in [NONE, "<dictionary> {\n}\n", "<dictionary> {}"] {
        let reading = read(text);
        assert_eq!(reading.says, Says::Nothing);
        let untouched = "the desktop's settings are untouched";
        assert_eq!(reading.origin.english, untouched);
    }
}

#[test]
fn the_proxy_for_https_is_followed_with_its_user_and_exceptions() {
    let reading = read(MANUAL);
    let (upstream, bypass, lost) = proxy(&reading);
    assert_eq!(upstream, "http://ann@proxy.corp.example:3128");
    assert_eq!(
        bypass,
        "<local>,.local,169.254.0.0/16,.corp.example,=intranet"
    );
    assert_eq!(lost, [Lost::other_for_http()]);
    assert_eq!(
        reading.origin.english,
        "macOS: network settings: HTTPSProxy"
    );
}

#[test]
fn discovery_and_a_script_and_a_proxy_are_said_in_turn() {
    let reading = read(EVERYTHING);
    let said: Vec<(String, String)> = reading
        .in_turn()
        .map(|said| (said.says.to_string(), said.origin.to_string()))
        .collect();
    let key = |key: &str| format!("macOS: network settings: {key}");
    assert_eq!(
        said,
        [
            (
                "automatic detection".to_owned(),
                key("ProxyAutoDiscoveryEnable")
            ),
            (
                "PAC file http://wpad.corp.example/proxy.pac".to_owned(),
                key("ProxyAutoConfigURLString")
            ),
            (
                "http://proxy.corp.example:3128".to_owned(),
                key("HTTPSProxy")
            ),
        ]
    );
}

#[test]
fn a_vpn_that_serves_everything_is_followed_and_what_others_have_is_said() {
    let (upstream, bypass, lost) = proxy(&read(FULL_VPN));
    assert_eq!(upstream, "http://vpn.corp.example:8080");
    assert_eq!(bypass, "");
    let bound = "connections that are bound to en0 go to http://home.example:3128";
    assert_eq!(lost, [Lost::Other(bound.to_owned())]);
}

#[test]
fn a_vpn_that_serves_some_domains_is_not_followed_for_all_and_is_said() {
    let reading = read(SPLIT_VPN);
    assert_eq!(reading.says, Says::Nothing);
    let part = "the desktop has a proxy for a part alone: what is below corp.example goes to PAC \
                file http://vpn.corp.example/p.pac: a rule";
    let origin = &reading.origin.english;
    assert!(origin.starts_with(part), "{origin}");
    let lists = SPLIT_VPN.replace(
        "SupplementalMatchDomain : corp.example",
        "SupplementalMatchDomains : <array> {\n        0 : a.example\n        1 : b.example\n      }",
    );
    let origin = read(&lists).origin.english;
    assert!(
        origin.contains("below a.example, b.example goes"),
        "{origin}"
    );
}

#[test]
fn proxies_are_spoken_to_as_macos_does() {
    for (lines, want) in [
        ("HTTPEnable : 1\nHTTPProxy : a", "http://a:80"),
        ("HTTPSEnable : 1\nHTTPSProxy : a", "http://a:443"),
        (
            "HTTPSEnable : 1\nHTTPSProxy : a\nHTTPSPort : 0",
            "http://a:443",
        ),
        ("SOCKSEnable : 1\nSOCKSProxy : a", "socks5h://a:1080"),
        (
            "SOCKSEnable : 1\nSOCKSProxy : a\nHTTPEnable : 1\nHTTPProxy : b",
            "http://b:80",
        ),
        (
            "HTTPSEnable : TRUE\nHTTPSProxy : 2001:db8::1\nHTTPSPort : 1",
            "http://[2001:db8::1]:1",
        ),
        ("HTTPSEnable : 0\nHTTPSProxy : a", "nothing"),
        ("HTTPSProxy : a", "nothing"),
        ("HTTPSEnable : 1", "nothing"),
        ("HTTPSEnable : 1\nHTTPSProxy : ", "nothing"),
        ("ProxyAutoConfigEnable : 1", "nothing"),
        (
            "ProxyAutoConfigEnable : 0\nProxyAutoConfigURLString : http://w/p",
            "nothing",
        ),
        (
            "ProxyAutoConfigEnable : 1\nProxyAutoConfigURLString : http://ann:pw@w/p",
            "PAC file http://w/p",
        ),
        (
            "ProxyAutoConfigEnable : 1\nProxyAutoConfigJavaScript : function F() {}",
            "PAC file data:… (47 bytes)",
        ),
    ] {
        assert_eq!(read(&dictionary(lines)).says.to_string(), want, "{lines}");
    }
}

#[test]
fn what_is_broken_is_an_error_with_its_place() {
    for (text, error) in [
        ("", "scutil --proxy:1:1: `<dictionary> {` was expected"),
        (
            "No proxy",
            "scutil --proxy:1:1: `<dictionary> {` was expected",
        ),
        (
            "<dictionary> {\n  A : 1\n",
            "scutil --proxy:3:1: `}` was expected",
        ),
        (
            "<dictionary> {\n  A\n}\n",
            "scutil --proxy:2:3: `KEY : VALUE` or `}` was expected",
        ),
        (
            "<dictionary> {\n  A : 1\n  A : 2\n}\n",
            "scutil --proxy:3:3: this key stands there twice",
        ),
        (
            "<dictionary> {\n}\n}\n",
            "scutil --proxy:3:1: nothing was expected",
        ),
        (
            "<dictionary> {\n  A : <array> {\n    1 : x\n  }\n}\n",
            "scutil --proxy:3:5: entry 0 of the list was expected",
        ),
        (
            &dictionary("HTTPSEnable : 1\nHTTPSProxy : a\nHTTPSPort : 70000"),
            "macOS: network settings: HTTPSPort: is no port: 1 to 65535",
        ),
        (
            &dictionary("HTTPSEnable : 1\nHTTPSProxy : a b"),
            "macOS: network settings: HTTPSProxy: ",
        ),
    ] {
        let failed = settings(text).unwrap_err().to_string();
        assert!(failed.starts_with(error), "{text:?}: {failed}");
    }
    let deep = "A : <dictionary> {\n".repeat(9);
    let failed = settings(&dictionary(&deep)).unwrap_err().to_string();
    assert_eq!(failed, "scutil --proxy:10:1: it is nested too deeply");
    let failed = settings(&" ".repeat((4 << 20) + 1)).unwrap_err();
    assert!(failed.message.contains("larger than 4 MiB"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = settings(&text);
        let _ = settings(&dictionary(&text));
    }

    #[test]
    fn no_lines_make_it_panic(
        lines in prop::collection::vec(
            prop_oneof![
                Just("}"), Just("0 : x"), Just("__SCOPED__ : <dictionary> {"),
                Just("__SUPPLEMENTAL__ : <array> {"), Just("0 : <dictionary> {"), Just("en0 : <dictionary> {"),
                Just("HTTPSEnable : 1"), Just("HTTPSProxy : p"), Just("HTTPSProxy :"), Just("HTTPSPort : x"),
                Just("ExceptionsList : <array> {"), Just("ProxyAutoConfigEnable : 1"),
                Just("ProxyAutoConfigURLString : http://w/"), Just("SupplementalMatchDomain : a"),
            ],
            0..24,
        ),
    ) {
        let _ = settings(&dictionary(&lines.join("\n")));
    }
}
