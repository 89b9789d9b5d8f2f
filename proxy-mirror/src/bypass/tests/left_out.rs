//! Lists that leave something out, and stars that are none.

use super::*;

#[test]
fn an_entry_that_names_some_of_what_is_left_out_is_not_written() {
    for (list, text) in [
        (".corp.example,!secret.corp.example", ""),
        // It is written as the domain, which names what is below it.
        ("=corp.example,!=secret.corp.example", ""),
        ("secret.corp.example,!.corp.example", ""),
        ("corp.example:443,!corp.example:80", "corp.example:443"),
        ("corp.example:443,!corp.example", ""),
        ("corp.example,!mycorp.example", "corp.example"),
        ("*corp.example,!mycorp.example", "corp.example"),
        ("*corp.example,!a.corp.example", ""),
        ("corp.example,!build*", ""),
        ("corp.example,!build*.test", "corp.example"),
        ("corp.example,!<local>", "corp.example"),
        ("intranet,!<local>", ""),
        ("10.0.0.0/8,!10.1.2.3", ""),
        ("10.1.2.0/24,!10.0.0.0/8", ""),
        ("10.0.0.0/8,!192.168.0.0/16", "10.0.0.0/8"),
        ("10.0.0.0/8,!10.*.2.7", ""),
        ("10.0.0.0/8,!*corp.example", "10.0.0.0/8"),
    ] {
        let lost = match text {
            "" => vec!["bypass_no_except".to_owned()],
            _ => vec![],
        };
        let (written, mut codes) = write(Dialect::Go, list);
        codes.retain(|code| code == "bypass_no_except");
        assert_eq!((written.as_str(), codes), (text, lost), "{list}");
    }
}

#[test]
fn a_reversed_list_of_kde_names_whatever_ends_so_and_knows_no_star() {
    assert_eq!(
        read(Dialect::KdeReversed, "corp.example,.lab.example"),
        ("*,!*corp.example,!.lab.example".into(), vec![])
    );
    let (everything, codes) = write(Dialect::KdeReversed, "a.example");
    assert_eq!(codes, ["bypass_reversed"]);
    assert!(!everything.contains('*'), "{everything}");
    let direct = Dialect::KdeReversed.read(&everything);
    assert!(direct.notes.is_empty(), "{:?}", direct.notes);
    let direct = proxy_engine::route::BypassIndex::new(&direct.bypass);
    for name in ["a.example", "printer", "host7", "xn--p1ai"] {
        assert!(direct.name(name, 443).is_none(), "{name}");
    }
    for ip in ["10.1.2.3", "fd00::1"] {
        assert!(direct.address(ip.parse().unwrap(), 443).is_none(), "{ip}");
    }
    let starred = read(Dialect::KdeReversed, "*.corp.example");
    assert_eq!(
        starred,
        (
            String::new(),
            vec!["bypass_dead".into(), "bypass_reversed".into()]
        )
    );
}

#[test]
fn firefox_does_not_see_a_star_before_a_name() {
    for (entry, meaning) in [
        ("*foo.example", "foo.example"),
        ("*.foo.example", ".foo.example"),
        ("*foo.example:443", "foo.example:443"),
    ] {
        assert_eq!(read(Dialect::Firefox, entry), (meaning.into(), vec![]));
    }
    for entry in ["*", "**foo.example", "*foo*.example"] {
        let dead = (String::new(), vec!["bypass_dead".to_owned()]);
        assert_eq!(read(Dialect::Firefox, entry), dead, "{entry}");
    }
}

#[test]
fn an_exception_without_room_takes_every_entry_with_it_and_those_behind_it_too() {
    let patterns: Vec<String> = (0..64).map(|n| format!("a*{n}.example")).collect();
    let list = format!("b.example,{},!c*d.example,*,e.example", patterns.join(","));
    let mut understood = Understood::default();
    for rule in list.split(',') {
        understood.add(rule.parse().unwrap());
    }
    assert_eq!(understood.bypass.to_string(), "");
    let left_out: Vec<&str> = understood.notes.iter().map(|n| n.entry.as_str()).collect();
    assert_eq!(left_out, ["!c*d.example", "*", "e.example"]);
}
