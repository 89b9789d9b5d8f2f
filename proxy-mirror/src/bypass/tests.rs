mod left_out;
mod round_trip;

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
            "*,!*corp.example,!<local>",
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
fn every_list_of_a_desktop_says_what_it_can_and_reports_the_rest() {
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
fn every_list_of_variables_and_browsers_says_what_it_can_and_reports_the_rest() {
    for (dialect, text, codes) in [
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
        ("b.example".into(), vec!["bypass_no_all_but".into()])
    );
    assert_eq!(
        write(Dialect::KdeReversed, "*,!a.example,!=b.example"),
        (
            "a.example,b.example".into(),
            vec!["bypass_narrowed".into(), "bypass_narrowed".into()]
        )
    );
    assert_eq!(
        write(Dialect::KdeReversed, "*,!.a.example,!*b.example"),
        (".a.example,b.example".into(), vec![])
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
