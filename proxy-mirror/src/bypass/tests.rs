use proptest::prelude::*;
use proxy_engine::route::{BypassIndex, Destination, Host};

use super::*;
use crate::control::Problem;

fn read(dialect: Dialect, list: &str) -> (String, Vec<String>) {
    let read = dialect.read(list);
    (read.bypass.to_string(), codes(&read.notes))
}

fn write(dialect: Dialect, list: &str) -> (String, Vec<String>) {
    let written = dialect.write(&list.parse().unwrap());
    (written.text, codes(&written.notes))
}

fn codes(notes: &[Note]) -> Vec<String> {
    let problem = |note: &Note| -> Problem { note.problem(&"here") };
    notes.iter().map(|note| problem(note).code).collect()
}

/// Lists as their programs have them: the default of GNOME, what Windows' and macOS's dialogs are
/// filled with, what kind writes.
#[test]
fn every_dialect_means_what_its_program_does() {
    let long = "a.example:8443,*.b.example,10.0.0.0/8";
    for (dialect, list, meaning) in [
        (
            Dialect::Gangway,
            "=a.example,!b.example",
            "=a.example,!b.example",
        ),
        (
            Dialect::Windows,
            "*.corp.example;contoso.com;192.168.*;172.16.1*;<local>;*lab.example;[fd00::1]",
            ".corp.example,=contoso.com,192.168.0.0/16,172.16.1*,<local>,*lab.example,fd00::1",
        ),
        (
            Dialect::Macos,
            "*.local, 169.254/16, contoso.com, 10.0.0.0/8, build.*, <local>",
            ".local,169.254.0.0/16,=contoso.com,10.0.0.0/8,build.*,<local>",
        ),
        (
            Dialect::Gnome,
            "['localhost', '127.0.0.0/8', '::1', '*.corp.example', '.lab.example:80']",
            "localhost,127.0.0.0/8,::1,corp.example,lab.example:80",
        ),
        (Dialect::Gnome, "@as []", ""),
        (Dialect::Gnome, "[::1]", "::1"),
        (
            Dialect::Kde,
            "localhost,.corp.example,10.0.0.0/8 <local>",
            "localhost,.corp.example,10.0.0.0/8,<local>",
        ),
        (
            Dialect::KdeReversed,
            "corp.example,<local>",
            "*,!corp.example,!<local>",
        ),
        (Dialect::KdeReversed, "", "*"),
        (
            Dialect::Firefox,
            "localhost, .corp.example *.lab.example, 10.0.0.0/8, <local>, a.example:80",
            "localhost,.corp.example,.lab.example,10.0.0.0/8,<local>,a.example:80",
        ),
        (
            Dialect::Chrome,
            "foobar.com,*foobar.org;.google.com;10.0.0.0/8;[::1]:80;<local>",
            "=foobar.com,*foobar.org,.google.com,10.0.0.0/8,[::1]:80,<local>",
        ),
        (Dialect::Go, long, "a.example:8443,.b.example,10.0.0.0/8"),
        (
            Dialect::Go,
            "172.18.0.0/16,fc00:f853:ccd:e793::/64,.svc,kind-control-plane,1.2.3.4:80",
            "172.18.0.0/16,fc00:f853:ccd:e793::/64,.svc,kind-control-plane,1.2.3.4:80",
        ),
        (Dialect::Go, "*", "*"),
        (
            Dialect::Curl,
            ".a.example b.example,10.0.0.0/8",
            "a.example,b.example,10.0.0.0/8",
        ),
        (Dialect::Curl, " * ", "*"),
        (
            Dialect::Docker,
            long,
            "a.example:8443,.b.example,10.0.0.0/8",
        ),
    ] {
        assert_eq!(read(dialect, list), (meaning.into(), vec![]), "{dialect}");
    }
}

#[test]
fn what_names_nothing_there_is_not_followed_here() {
    for (dialect, list, meaning, codes) in [
        (
            Dialect::Windows,
            "10.0.0.0/8;ok.example",
            "=ok.example",
            vec!["bypass_dead"],
        ),
        (
            Dialect::Windows,
            ".a.example;b.example.",
            "",
            vec!["bypass_dead", "bypass_dead"],
        ),
        (Dialect::Windows, "<-loopback>", "", vec!["bypass_loopback"]),
        (Dialect::Macos, "*", "", vec!["bypass_dead"]),
        (
            Dialect::Macos,
            "a.example:80,*b*",
            "",
            vec!["bypass_dead", "bypass_dead"],
        ),
        (
            Dialect::Gnome,
            "['*', '192.168.*']",
            "",
            vec!["bypass_dead", "bypass_dead"],
        ),
        (Dialect::Kde, "10.*", "", vec!["bypass_dead"]),
        (
            Dialect::Firefox,
            "*,10.*",
            "",
            vec!["bypass_dead", "bypass_dead"],
        ),
        (
            Dialect::Go,
            "172.17.*,<local>",
            "",
            vec!["bypass_dead", "bypass_dead"],
        ),
        (Dialect::Go, "a;b", "", vec!["bypass_unknown"]),
        (
            Dialect::Go,
            "=a.example,!b.example",
            "",
            vec!["bypass_unknown", "bypass_unknown"],
        ),
        (
            Dialect::Curl,
            "a.example:80,*.b.example",
            "",
            vec!["bypass_dead", "bypass_dead"],
        ),
        (
            Dialect::Curl,
            "*,a.example",
            "a.example",
            vec!["bypass_dead"],
        ),
        (
            Dialect::Chrome,
            "https://a.example;http://b.example:81;https://10.0.0.0/8;ftp://c",
            "=a.example:443,=b.example:81",
            vec![
                "bypass_scheme",
                "bypass_scheme",
                "bypass_scheme_lost",
                "bypass_unknown",
            ],
        ),
        // One that is not understood might be the one that must not go directly.
        (
            Dialect::KdeReversed,
            "a.example,b*",
            "",
            vec!["bypass_dead", "bypass_reversed"],
        ),
    ] {
        let codes = codes.into_iter().map(str::to_owned).collect();
        assert_eq!(
            read(dialect, list),
            (meaning.into(), codes),
            "{dialect} {list}"
        );
    }
}

/// One of everything.
const EVERYTHING: &str = "=one.example,a.example,.b.example,c.example:8443,*d.example,e*.example,\
                          192.0.2.1,10.0.0.0/8,172.16.0.0/12,100.64.0.0/10,fd00::/8,<local>";

#[test]
fn every_dialect_says_what_it_can_and_reports_the_rest() {
    for (dialect, text, codes) in [
        (Dialect::Gangway, EVERYTHING, vec![]),
        (
            Dialect::Windows,
            "one.example;a.example;*.a.example;*.b.example;c.example:8443;*.c.example:8443;\
             *d.example;e*.example;192.0.2.1;10.*;172.16.*;172.17.*;172.18.*;172.19.*;172.20.*;\
             172.21.*;172.22.*;172.23.*;172.24.*;172.25.*;172.26.*;172.27.*;172.28.*;172.29.*;\
             172.30.*;172.31.*;<local>",
            vec!["bypass_no_network", "bypass_no_network"],
        ),
        (
            Dialect::Macos,
            "one.example, a.example, *.a.example, *.b.example, d.example, *.d.example, 192.0.2.1, \
             10.0.0.0/8, 172.16.0.0/12, 100.64.0.0/10, fd00::/8, <local>",
            vec![
                "bypass_no_port",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
            ],
        ),
        (
            Dialect::Gnome,
            "['one.example', 'a.example', 'b.example', 'c.example:8443', 'd.example', \
             '192.0.2.1', '10.0.0.0/8', '172.16.0.0/12', '100.64.0.0/10', 'fd00::/8']",
            vec![
                "bypass_no_host",
                "bypass_no_subdomains",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
                "bypass_no_plain_names",
            ],
        ),
        (
            Dialect::Kde,
            "one.example,a.example,.b.example,c.example:8443,d.example,192.0.2.1,10.0.0.0/8,\
             172.16.0.0/12,100.64.0.0/10,fd00::/8,<local>",
            vec![
                "bypass_no_host",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
            ],
        ),
        (
            Dialect::Firefox,
            "one.example, a.example, .b.example, c.example:8443, d.example, 192.0.2.1, \
             10.0.0.0/8, 172.16.0.0/12, 100.64.0.0/10, fd00::/8, <local>",
            vec![
                "bypass_no_host",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
            ],
        ),
        (
            Dialect::Chrome,
            "one.example;a.example;.a.example;.b.example;c.example:8443;.c.example:8443;\
             *d.example;e*.example;192.0.2.1;10.0.0.0/8;172.16.0.0/12;100.64.0.0/10;fd00::/8;\
             <local>",
            vec![],
        ),
        (
            Dialect::Go,
            "one.example,a.example,.b.example,c.example:8443,d.example,192.0.2.1,10.0.0.0/8,\
             172.16.0.0/12,100.64.0.0/10,fd00::/8",
            vec![
                "bypass_no_host",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
                "bypass_no_plain_names",
            ],
        ),
        (
            Dialect::Curl,
            "one.example,a.example,b.example,d.example,192.0.2.1,10.0.0.0/8,172.16.0.0/12,\
             100.64.0.0/10,fd00::/8",
            vec![
                "bypass_no_host",
                "bypass_no_subdomains",
                "bypass_no_port",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
                "bypass_no_plain_names",
            ],
        ),
        (
            Dialect::Docker,
            "one.example,a.example,.b.example,c.example:8443,d.example,192.0.2.1,10.0.0.0/8,\
             172.16.0.0/12,100.64.0.0/10,fd00::/8",
            vec![
                "bypass_no_host",
                "bypass_no_subdomains",
                "bypass_port_narrowed",
                "bypass_pattern_narrowed",
                "bypass_no_pattern",
                "bypass_no_plain_names",
            ],
        ),
    ] {
        let codes = codes.into_iter().map(str::to_owned).collect();
        assert_eq!(
            write(dialect, EVERYTHING),
            (text.into(), codes),
            "{dialect}"
        );
    }
}

#[test]
fn everything_is_said_alone_and_never_where_something_is_left_out() {
    assert_eq!(write(Dialect::Curl, "a.example,*"), ("*".into(), vec![]));
    assert_eq!(
        write(Dialect::Go, "*,!a.example,b.example"),
        (
            "b.example".into(),
            vec!["bypass_no_all_but".into(), "bypass_no_except".into()]
        )
    );
    assert_eq!(
        write(Dialect::KdeReversed, "*,!a.example,!=b.example"),
        ("a.example,b.example".into(), vec!["bypass_narrowed".into()])
    );
    assert_eq!(
        write(Dialect::KdeReversed, "a.example"),
        ("*".into(), vec!["bypass_reversed".into()])
    );
    let (text, codes) = write(Dialect::Gnome, "*,a.example");
    assert_eq!(text, "['a.example']");
    assert_eq!(codes, ["bypass_no_all"]);
}

#[test]
fn a_note_names_the_list_the_entry_and_what_became_of_it() {
    let written = Dialect::Go.write(&"=one.example".parse().unwrap());
    let problem = written.notes[0].problem(&"Docker daemon");
    for word in ["Docker daemon", "`=one.example`", "`one.example`"] {
        assert!(problem.message.contains(word), "{problem}");
    }
}

#[test]
fn every_dialect_is_found_by_its_name() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.name().parse(), Ok(dialect));
    }
    let unknown = "cobol".parse::<Dialect>().unwrap_err().to_string();
    assert!(unknown.contains("kde-reversed"), "{unknown}");
}

fn name() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "corp", "x-1", "build7", "my"]);
    let labels = prop::collection::vec(label, 1..3);
    let last = prop::sample::select(vec!["example", "test"]);
    (labels, last).prop_map(|(labels, last)| format!("{}.{last}", labels.join(".")))
}

fn rule() -> impl Strategy<Value = BypassRule> {
    let port = prop::sample::select(vec!["", "", ":443", ":8443"]);
    let prefix = prop::sample::select(vec!["", "=", ".", "*", "a*.", "build*", "*.x*"]);
    let named = (prefix, name(), port).prop_map(|(prefix, name, port)| match prefix {
        "build*" => format!("build*{port}"),
        prefix => format!("{prefix}{name}{port}"),
    });
    let address = (any::<u8>(), 0..3_u8).prop_map(|(a, b)| format!("10.{b}.2.{a}"));
    let network = (any::<u16>(), 1..=32_u8).prop_map(|(a, n)| format!("10.{}.0.0/{n}", a % 256));
    let other = prop::sample::select(vec![
        "*",
        "<local>",
        "fd00::/8",
        "fd00::1",
        "[fd00::1]:443",
        "10.*.2.7",
        "10.1*",
        "build.*",
    ]);
    prop_oneof![
        4 => named,
        1 => address,
        1 => network,
        1 => other.prop_map(str::to_owned),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn bypass() -> impl Strategy<Value = Bypass> {
    let entry = (rule(), prop::bool::weighted(0.15)).prop_map(|(rule, left_out)| match left_out {
        true => kde::left_out(rule),
        false => rule,
    });
    prop::collection::vec(entry, 0..8).prop_map(Bypass)
}

/// Hosts that these entries are near to.
fn hosts(bypass: &Bypass) -> Vec<Destination> {
    let mut hosts = vec![
        "printer".to_owned(),
        "far.example".to_owned(),
        "192.0.2.9".to_owned(),
    ];
    for rule in &bypass.0 {
        let text = rule.to_string();
        let text = text.trim_start_matches(['!', '=', '.']).replace('*', "x");
        let text = text.split('/').next().unwrap();
        let text = match text.rsplit_once(':') {
            Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
            _ => text,
        };
        let text = text.trim_matches(['[', ']']);
        hosts.extend(["", "a.", "my", "b.c."].map(|before| format!("{before}{text}")));
    }
    let bracketed = |host: &String| match host.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => host.clone(),
    };
    hosts
        .iter()
        .flat_map(|host| [80, 443, 8443].map(|port| format!("{}:{port}", bracketed(host))))
        .filter_map(|authority| Destination::parse(&authority, None))
        .collect()
}

fn names(bypass: &Bypass, to: &Destination) -> bool {
    let index = BypassIndex::new(bypass);
    match &to.host {
        Host::Ip(ip) => index.address(*ip, to.port).is_some(),
        Host::Name(name) => index.name(name, to.port).is_some(),
    }
}

/// Whether the note speaks of this host, in the words of the list (`entry`) or of the dialect.
fn speaks_of(note: &Note, dialect: Dialect, to: &Destination) -> bool {
    let entry = note.entry.trim_start_matches('!').parse().unwrap();
    let became = || {
        let mut entries = note.became.split(' ');
        entries.any(|entry| names(&dialect.read(entry).bypass, to))
    };
    names(&Bypass(vec![entry]), to) || became()
}

proptest! {
    #[test]
    fn what_is_written_names_the_same_hosts_or_the_report_says_otherwise(list in bypass()) {
        for dialect in Dialect::ALL {
            let written = dialect.write(&list);
            let again = dialect.read(&written.text);
            prop_assert!(again.notes.is_empty(), "{dialect}: {:?}", again.notes);
            for to in hosts(&list) {
                let (meant, said) = (names(&list, &to), names(&again.bypass, &to));
                let reported = |widened: bool| {
                    written.notes.iter().any(|note| {
                        (note.fate == Fate::Widened) == widened && match dialect {
                            // It says nothing of what it cannot, or of what it leaves out.
                            Dialect::KdeReversed => true,
                            _ => speaks_of(note, dialect, &to),
                        }
                    })
                };
                if meant != said {
                    prop_assert!(
                        reported(said),
                        "{dialect}: {to} in {list}: {}: {:?}",
                        written.text,
                        written.notes
                    );
                }
            }
        }
    }

    #[test]
    fn no_list_of_any_dialect_makes_a_reader_fail(list in "[ -~\u{e9}]{0,60}") {
        for dialect in Dialect::ALL {
            let read = dialect.read(&list);
            let again = read.bypass.to_string().parse::<Bypass>();
            prop_assert_eq!(again, Ok(read.bypass));
        }
    }
}
