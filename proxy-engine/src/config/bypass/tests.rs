use super::{Bypass, BypassError, BypassRule};

fn read(text: &str) -> Bypass {
    text.parse().expect(text)
}

#[test]
fn every_entry_is_written_as_it_is_read() {
    let list = "*,<local>,=one.example,=one.example:8443,example.com,example.com:443,\
                .example.com,.example.com:80,*corp.example,www.*.example:81,10.1.2.3,\
                [fd00::1]:443,10.0.0.0/8,!example.com,!10.0.0.0/8,!<local>";
    assert_eq!(read(list).to_string(), list);
}

#[test]
fn what_a_policy_on_disk_says_means_what_it_meant() {
    for (text, written) in [
        (" Example.COM. ", "example.com"),
        ("*.example.com:8443", ".example.com:8443"),
        ("[::1]", "::1"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("192.0.2.1.", "192.0.2.1"),
    ] {
        assert_eq!(read(text).to_string(), written);
    }
}

#[test]
fn a_range_with_stars_is_the_network() {
    for (text, written) in [
        ("192.168.*", "192.168.0.0/16"),
        ("10.*", "10.0.0.0/8"),
        ("10.*.*.*", "10.0.0.0/8"),
        ("10.1.2.*", "10.1.2.0/24"),
        // No network: a pattern of the address's text.
        ("10.*.3.4", "10.*.3.4"),
        ("10.*:80", "10.*:80"),
        (".a*.example", "*.a*.example"),
        ("=192.0.2.1", "192.0.2.1"),
    ] {
        assert_eq!(read(text).to_string(), written);
    }
}

#[test]
fn what_names_nothing_is_refused() {
    for text in [
        "<-loopback>",
        "!!a.example",
        "!",
        "=",
        "=*.example",
        "=.example",
        "a b",
        "http://a",
        "a:b",
        "a;b",
        "*.*",
        "**",
        "1.2.3.4/33",
        "a..b",
        "!a,!",
    ] {
        let refused = text.parse::<Bypass>();
        assert!(
            matches!(refused, Err(BypassError::Entry(_))),
            "{text}: {refused:?}"
        );
    }
}

#[test]
fn a_list_with_too_many_patterns_is_refused_however_it_comes() {
    let list = |patterns: usize| {
        let patterns = (0..patterns).map(|n| format!("a*{n}.example"));
        patterns
            .chain(["*corp.example".to_owned()])
            .collect::<Vec<_>>()
    };
    let most = list(Bypass::PATTERNS);
    assert!(most.join(",").parse::<Bypass>().is_ok());
    let over = list(Bypass::PATTERNS + 1);
    assert_eq!(over.join(",").parse::<Bypass>(), Err(BypassError::Patterns));
    let json = serde_json::to_string(&over).expect("JSON");
    assert!(serde_json::from_str::<Bypass>(&json).is_err());
    let rule: BypassRule = serde_json::from_str("\"!=a.example\"").expect("rule");
    assert!(rule.is_except());
}
