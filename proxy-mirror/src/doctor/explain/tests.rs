use super::*;
use crate::policy::{Facts, SourceFacts, decide};
use crate::settings::{Mode, Settings};
use crate::source::{Reading, Says, SourceId};
use crate::world::Relay;

fn decision(settings: &Settings) -> Decision {
    let sources = [SourceFacts {
        source: SourceId::Environment,
        reading: Some(Reading {
            source: SourceId::Environment,
            origin: Said::verbatim("https_proxy, no_proxy"),
            says: Says::Proxy {
                upstream: "http://ann@proxy.corp:3128".parse().unwrap(),
                bypass: "corp.example,203.0.113.0/24".parse().unwrap(),
                lost: Vec::new(),
            },
            password: None,
            otherwise: None,
        }),
        error: None,
    }];
    decide(&Facts {
        settings,
        sources: &sources,
        networks: &[],
        distros: &[],
        relay: Relay {
            port: 3182,
            containers: None,
        },
        unread: None,
        pac: &[],
        certificates: None,
    })
}

fn explained(url: &str) -> Explanation {
    let settings = Settings {
        bypass: ".mine.example,*.only.example:8443".parse().unwrap(),
        ..Settings::default()
    };
    explain(url, &decision(&settings)).unwrap()
}

#[test]
fn the_upstream_is_named_with_its_source_and_credentials() {
    let explanation = explained("https://registry-1.docker.io/v2/");
    assert_eq!(explanation.route, RouteKind::Upstream);
    assert_eq!(
        explanation.upstream.as_deref(),
        Some("http://ann@proxy.corp:3128")
    );
    assert_eq!(explanation.source.english, "https_proxy, no_proxy");
    assert_eq!(
        explanation.credentials.as_deref(),
        Some("ann@proxy.corp:3128")
    );
}

#[test]
fn the_rule_that_decided_is_named_with_who_wrote_it() {
    for (url, reason, source) in [
        (
            "http://a.corp.example",
            "bypass corp.example",
            "https_proxy, no_proxy",
        ),
        (
            "https://203.0.113.9/x",
            "bypass 203.0.113.0/24",
            "https_proxy, no_proxy",
        ),
        (
            "https://a.mine.example",
            "bypass .mine.example",
            "settings.toml: bypass",
        ),
        (
            "https://a.only.example:8443",
            "bypass .only.example",
            "settings.toml: bypass",
        ),
        ("http://10.1.2.3", "private network", "built in"),
        ("http://[::1]:8080/", "private network", "built in"),
    ] {
        let explanation = explained(url);
        assert_eq!(explanation.route, RouteKind::Direct, "{url}");
        assert_eq!(
            (
                explanation.reason.english.as_str(),
                explanation.source.english.as_str()
            ),
            (reason, source),
            "{url}"
        );
    }
    assert_eq!(explained("https://mine.example").route, RouteKind::Upstream);
    assert_eq!(
        explained("https://a.only.example").route,
        RouteKind::Upstream
    );
    assert_eq!(
        explained("https://notcorp.example").route,
        RouteKind::Upstream
    );
}

#[test]
fn a_url_is_shown_as_it_was_understood_without_its_user() {
    for (url, shown) in [
        ("Example.COM", "https://example.com/"),
        ("http://example.com.:80/a?b#c", "http://example.com/a?b"),
        (
            "https://ann:s3cret@example.com:8443/",
            "https://example.com:8443/",
        ),
        ("http://[2001:DB8::1]", "http://[2001:db8::1]/"),
        ("http://[::ffff:192.0.2.1]:81", "http://192.0.2.1:81/"),
        ("wss://example.com/socket", "wss://example.com/socket"),
    ] {
        assert_eq!(explained(url).url, shown);
    }
}

#[test]
fn what_is_no_url_is_refused_and_its_password_not_repeated() {
    for url in [
        "",
        "https://",
        "https://:443",
        "mailto://a@b",
        "http://a:0",
        "http://a:99999",
        "http://a:x",
        "http://[::1",
        "http://a b",
        "http://a\nb",
        "http://a..b",
        "http://ann:s3cret@/x",
        "http://2001:db8::1",
        "gopher://ann:s3c/ret@host",
    ] {
        let error = explain(url, &decision(&Settings::default())).unwrap_err();
        assert!(!error.to_string().contains("s3c"), "{error}");
        assert_eq!(error.problem().code, "url_invalid");
    }
}

#[test]
fn a_refused_policy_explains_itself() {
    let settings = Settings {
        mode: Mode::Pac,
        pac: Some("http://w/p.pac".to_owned()),
        ..Settings::default()
    };
    let explanation = explain("https://example.com", &decision(&settings)).unwrap();
    assert_eq!(explanation.route, RouteKind::Refused);
    assert!(
        explanation.reason.english.contains("http://w/p.pac"),
        "{}",
        explanation.reason
    );
    assert_eq!(explanation.upstream, None);
}
