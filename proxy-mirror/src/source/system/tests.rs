//! What the stores say is read by `proxy-watch` 0.3; the real stores are read in
//! `tests/desktop_settings.rs`.

use std::collections::HashMap;

use proxy_watch::{ProxyEntry, parse};
use secrecy::ExposeSecret;

use super::*;

fn mode(entries: &[(Scheme, &str)], bypass: BypassRules) -> ProxyMode {
    let entries: HashMap<_, _> = entries
        .iter()
        .map(|(scheme, text)| {
            let endpoint = ProxyEndpoint::parse(text, 8080).unwrap();
            (*scheme, ProxyEntry::Use(endpoint))
        })
        .collect();
    ProxyMode::manual(entries, bypass)
}

fn says(entries: &[(Scheme, &str)]) -> Says {
    reading(
        ProxyConfigSource::GSettings,
        mode(entries, BypassRules::new()),
    )
    .unwrap()
    .says
}

#[test]
fn the_proxy_for_https_is_followed_and_another_for_http_is_said() {
    let Says::Proxy { upstream, lost, .. } =
        says(&[(Scheme::Http, "a.corp:1"), (Scheme::Https, "b.corp:2")])
    else {
        panic!();
    };
    assert_eq!(upstream.to_string(), "http://b.corp:2");
    assert_eq!(lost.len(), 1);
}

#[test]
fn credentials_are_split_off() {
    let read = reading(
        ProxyConfigSource::Kioslaverc,
        mode(
            &[(Scheme::Https, "http://ann:s3cret@p.corp:3128")],
            BypassRules::new(),
        ),
    )
    .unwrap();
    assert_eq!(read.says.to_string(), "http://ann@p.corp:3128");
    assert_eq!(read.password.unwrap().expose_secret(), "s3cret");
}

#[test]
fn a_proxy_is_spoken_to_as_the_settings_say_or_as_browsers_do() {
    for (kind, set, said) in [
        (Scheme::Socks, "p.corp:1080", "socks5h://p.corp:1080"),
        (
            Scheme::Socks,
            "socks4://p.corp:1080",
            "socks4://p.corp:1080",
        ),
        (
            Scheme::Https,
            "socks5://ann:x@p.corp:1080",
            "socks5h://ann@p.corp:1080",
        ),
        (Scheme::Https, "https://p.corp:443", "https://p.corp:443"),
        (Scheme::Http, "p.corp:3128", "http://p.corp:3128"),
    ] {
        assert_eq!(says(&[(kind, set)]).to_string(), said, "{set}");
    }
    let both = [(Scheme::Socks, "s.corp:1080"), (Scheme::Https, "p.corp:1")];
    assert_eq!(says(&both).to_string(), "http://p.corp:1");
}

#[test]
fn every_bypass_dialect_becomes_ours() {
    let windows = parse::proxy_override("*.lab.example;10.*;intranet;<local>;*corp.example;a.*.b");
    let read = translate(&windows);
    assert_eq!(
        read.bypass.to_string(),
        ".lab.example,10.0.0.0/8,=intranet,<local>,*corp.example,a.*.b"
    );
    assert!(read.notes.is_empty(), "{:?}", read.notes);

    let unix = parse::no_proxy("corp.example,.lab.example,192.168.0.0/16,::1,h.example:8080");
    let read = translate(&unix);
    assert_eq!(
        read.bypass.to_string(),
        "corp.example,.lab.example,192.168.0.0/16,::1,h.example:8080"
    );
    assert!(read.notes.is_empty(), "{:?}", read.notes);
}

#[test]
fn a_reversed_list_leaves_out_what_it_names() {
    let mut rules = parse::no_proxy("corp.example,10.0.0.0/8");
    rules.reversed_exceptions = true;
    let read = translate(&rules);
    assert_eq!(read.bypass.to_string(), "*,!*corp.example,!10.0.0.0/8");
}

#[test]
fn a_reversed_list_that_is_not_understood_sends_everything_to_the_proxy() {
    let mut rules = parse::no_proxy("corp.example,10.0.0.0/99");
    rules.reversed_exceptions = true;
    let read = translate(&rules);
    assert_eq!(read.bypass.to_string(), "");
    assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
}

#[test]
fn loopback_is_never_sent_to_a_proxy_whatever_the_list_says() {
    let read = translate(&parse::proxy_override("a.example;<-loopback>"));
    assert_eq!(read.bypass.to_string(), "=a.example");
    let said = read.notes[0].problem(&"the list");
    assert_eq!(said.code, "bypass_loopback");
}

#[test]
fn a_script_in_the_settings_themselves_is_followed_and_not_shown() {
    let script = "function FindProxyForURL() { return 'PROXY p:1' }";
    let inline = ProxyMode::pac_inline(script.to_owned());
    let read = reading(ProxyConfigSource::GSettings, inline).unwrap();
    assert!(
        read.says.to_string().starts_with("PAC file data:… ("),
        "{}",
        read.says
    );
    let Says::Pac { url: Some(url) } = read.says else {
        panic!("{:?}", read.says);
    };
    assert_eq!(url, crate::pac::inline_address(script));
}

#[test]
fn a_pac_address_is_shown_without_credentials() {
    let url = "http://ann:s3cret@wpad.corp/proxy.pac".parse().unwrap();
    let read = reading(ProxyConfigSource::GSettings, ProxyMode::pac(url)).unwrap();
    assert_eq!(read.says.to_string(), "PAC file http://wpad.corp/proxy.pac");
}
