use secrecy::ExposeSecret;

use super::*;
use crate::source::{Lost, Says};

fn read(vars: &[(&str, &str)]) -> Result<Reading, SourceError> {
    Environment::of(|name| {
        vars.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
    .read()
}

fn proxy(vars: &[(&str, &str)]) -> (String, String, Vec<Lost>) {
    match read(vars).unwrap().says {
        Says::Proxy {
            upstream,
            bypass,
            lost,
        } => (upstream.to_string(), bypass.to_string(), lost),
        other => panic!("{other:?}"),
    }
}

#[test]
fn https_comes_before_http_and_lower_case_before_upper() {
    let all = [
        ("ALL_PROXY", "http://f:1"),
        ("HTTP_PROXY", "http://d:1"),
        ("http_proxy", "http://c:1"),
        ("HTTPS_PROXY", "http://b:1"),
        ("https_proxy", "http://a:1"),
    ];
    for (from, expected) in [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "f")] {
        let vars = &all[..all.len() - from];
        assert_eq!(proxy(vars).0, format!("http://{expected}:1"));
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    assert_eq!(
        read(&[("https_proxy", " "), ("no_proxy", "a.example")])
            .unwrap()
            .says,
        Says::Nothing
    );
}

#[test]
fn a_password_is_split_off_and_shown_nowhere() {
    let reading = read(&[("https_proxy", "http://ann:p%40ss@proxy.corp:3128")]).unwrap();
    assert_eq!(reading.says.to_string(), "http://ann@proxy.corp:3128");
    assert_eq!(reading.password.as_ref().unwrap().expose_secret(), "p@ss");
    assert!(!format!("{reading:?}").contains("p@ss"));
    assert!(!format!("{reading:?}").contains("p%40ss"));
}

#[test]
fn two_different_proxies_are_said_to_be_one_too_many() {
    let (upstream, _, lost) = proxy(&[
        ("https_proxy", "http://a:1"),
        ("http_proxy", "http://u:secret@b:1"),
    ]);
    assert_eq!(upstream, "http://a:1");
    assert_eq!(
        lost,
        ["http_proxy names another proxy; https_proxy is followed".into()]
    );
}

#[test]
fn exceptions_are_carried_over() {
    let (_, bypass, _) = proxy(&[
        ("HTTPS_PROXY", "proxy.corp:8080"),
        ("NO_PROXY", "localhost,.corp.example,10.0.0.0/8"),
    ]);
    assert_eq!(bypass, "localhost,.corp.example,10.0.0.0/8");
}

#[test]
fn a_newline_or_nul_in_a_proxy_url_is_refused() {
    for url in [
        "http://a:1\nExecStart=/bin/sh",
        "http://a\0b:1",
        "http://a%0a@h:1",
    ] {
        let error = read(&[("https_proxy", url)]).unwrap_err();
        assert_eq!(error.origin, "environment variable https_proxy");
        assert!(error.message.contains("control character"), "{error}");
    }
}

#[test]
fn a_socks_proxy_is_followed_with_its_password_apart() {
    let reading = read(&[("ALL_PROXY", "socks5h://u:secret@p:1080")]).unwrap();
    assert_eq!(reading.says.to_string(), "socks5h://u@p:1080");
    assert!(reading.password.is_some());
}

#[test]
fn a_proxy_of_an_unknown_kind_is_said_to_be_unusable_and_never_passed_over() {
    let reading = read(&[("ALL_PROXY", "quic://u:secret@p:1080")]).unwrap();
    let Says::Unusable { proxy, reason } = reading.says else {
        panic!("{:?}", reading.says);
    };
    assert!(!proxy.contains("secret") && !reason.contains("secret"));
    assert!(reason.contains("quic"), "{reason}");
}

#[test]
fn a_request_header_cannot_name_the_proxy() {
    let vars = [("HTTP_PROXY", "http://evil:1"), ("REQUEST_METHOD", "GET")];
    assert_eq!(read(&vars).unwrap().says, Says::Nothing);
}
