//! What is written reads as it was meant, or the report says otherwise.

use proptest::prelude::*;
use proxy_engine::route::{BypassIndex, Destination, Host};

use super::super::*;

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
    let entry = (rule(), prop::bool::weighted(0.15)).prop_map(|(rule, left_out)| {
        if left_out { kde::left_out(rule) } else { rule }
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
