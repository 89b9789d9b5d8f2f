use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::message::{Ask, Outcome, Wants};
use super::{Engine, NotRead, Prepared};

fn engine(script: &str) -> Engine {
    let prepared = Prepared::new().expect("an interpreter");
    prepared.read(script, Ask::default()).expect("a script")
}

fn ask(names: &[(&str, &[&str])]) -> Ask {
    let addresses = |ips: &[&str]| -> Vec<IpAddr> {
        ips.iter().map(|ip| ip.parse().expect("address")).collect()
    };
    let names: BTreeMap<_, _> = names
        .iter()
        .map(|(name, ips)| ((*name).to_owned(), addresses(ips)))
        .collect();
    Ask {
        url: "http://www.corp.test/x".into(),
        host: "www.corp.test".into(),
        names,
        own: Some(addresses(&["192.0.2.7", "2001:db8::7"])),
    }
}

/// What an expression of the script's language is, as text.
fn value(expression: &str) -> String {
    let known = ask(&[
        ("four.test", &["198.51.100.1", "198.51.100.2"]),
        ("six.test", &["2001:db8::1"]),
        ("both.test", &["2001:db8::2", "198.51.100.3"]),
        ("none.test", &[]),
    ]);
    let script = format!("function FindProxyForURL(url, host) {{ return String({expression}); }}");
    match engine(&script).ask(known) {
        Outcome::Answered { text, .. } => text,
        other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn texts_are_compared_as_the_format_says() {
    for (expression, want) in [
        ("shExpMatch('www.corp.test', '*.corp.test')", "true"),
        ("shExpMatch('www.corp.test', '*.corp')", "false"),
        ("shExpMatch('www.corp.test', 'w?w.*t*t')", "true"),
        ("shExpMatch('www.corp.test', '*')", "true"),
        ("shExpMatch('', '')", "true"),
        ("shExpMatch('a+b', 'a+b')", "true"),
        ("shExpMatch('aab', 'a.b')", "false"),
        ("shExpMatch(url, 'http://*')", "true"),
        ("shExpMatch(12, '1*')", "true"),
        ("shExpMatch(null, 'n*l')", "true"),
        ("shExpMatch('x\\uD800', 'x*')", "true"),
        ("dnsDomainIs(host, '.corp.test')", "true"),
        ("dnsDomainIs('corp.test', '.corp.test')", "false"),
        ("localHostOrDomainIs('www', 'www.corp.test')", "true"),
        (
            "localHostOrDomainIs('www.corp.test', 'www.corp.test')",
            "true",
        ),
        ("localHostOrDomainIs('www.corp', 'www.corp.test')", "false"),
        ("localHostOrDomainIs('ww', 'www.corp.test')", "false"),
        ("isPlainHostName('www')", "true"),
        ("isPlainHostName('www.corp.test')", "false"),
        ("isPlainHostName('2001:db8::1')", "false"),
        ("dnsDomainLevels('www.corp.test')", "2"),
        ("convert_addr('1.2.3.4')", "16909060"),
        ("convert_addr('x')", "0"),
        ("getClientVersion()", "1.0"),
        ("alert('x')", "undefined"),
    ] {
        assert_eq!(value(expression), want, "{expression}");
    }
}

#[test]
fn addresses_are_looked_at_as_the_format_says() {
    for (expression, want) in [
        ("dnsResolve('four.test')", "198.51.100.1"),
        ("dnsResolve('FOUR.test.')", "198.51.100.1"),
        ("dnsResolve('six.test')", "null"),
        ("dnsResolve('none.test')", "null"),
        ("dnsResolve('10.1.2.3')", "10.1.2.3"),
        ("dnsResolve('no name')", "null"),
        ("dnsResolveEx('both.test')", "2001:db8::2;198.51.100.3"),
        ("dnsResolveEx('none.test') === ''", "true"),
        ("isResolvable('four.test')", "true"),
        ("isResolvable('six.test')", "false"),
        ("isResolvableEx('six.test')", "true"),
        ("isResolvableEx('none.test')", "false"),
        (
            "isInNet('four.test', '198.51.100.0', '255.255.255.0')",
            "true",
        ),
        (
            "isInNet('both.test', '198.51.100.0', '255.255.255.0')",
            "true",
        ),
        ("isInNet('10.9.8.7', '10.0.0.0', '255.0.0.0')", "true"),
        ("isInNet('11.9.8.7', '10.0.0.0', '255.0.0.0')", "false"),
        ("isInNet('10.9.8.7', '10.0.0.0', 'x')", "false"),
        ("isInNet('none.test', '0.0.0.0', '0.0.0.0')", "false"),
        ("isInNetEx('2001:db8::9', '2001:db8::/32')", "true"),
        ("isInNetEx('198.51.100.9', '198.51.100.0/24')", "true"),
        ("isInNetEx('198.51.101.9', '198.51.100.0/24')", "false"),
        ("isInNetEx('four.test', '198.51.100.0/24')", "false"),
        ("myIpAddress()", "192.0.2.7"),
        ("myIpAddressEx()", "192.0.2.7;2001:db8::7"),
        (
            "sortIpAddressList('10.2.3.9;2001:db8::1;10.2.3.10')",
            "2001:db8::1;10.2.3.9;10.2.3.10",
        ),
        ("sortIpAddressList('10.2.3.9;x') === ''", "true"),
    ] {
        assert_eq!(value(expression), want, "{expression}");
    }
}

/// The same with the clock at Wednesday, the 25th of November 2026, 22:30:10 in Greenwich.
fn then(expression: &str) -> String {
    value(&format!(
        "(function () {{ const then = Date.UTC(2026, 10, 25, 22, 30, 10); const Real = Date; \
         Date = function () {{ return new Real(then); }}; return {expression}; }})()"
    ))
}

#[test]
fn times_are_compared_as_the_format_says() {
    for (expression, want) in [
        ("weekdayRange('WED', 'GMT')", "true"),
        ("weekdayRange('MON', 'FRI', 'GMT')", "true"),
        ("weekdayRange('SAT', 'TUE', 'GMT')", "false"),
        ("weekdayRange('FRI', 'WED', 'GMT')", "true"),
        ("weekdayRange('never', 'GMT')", "false"),
        ("dateRange(25, 'GMT')", "true"),
        ("dateRange(1, 24, 'GMT')", "false"),
        ("dateRange('NOV', 'GMT')", "true"),
        ("dateRange('DEC', 'FEB', 'GMT')", "false"),
        ("dateRange('OCT', 'FEB', 'GMT')", "true"),
        ("dateRange(2026, 'GMT')", "true"),
        ("dateRange(2027, 2028, 'GMT')", "false"),
        ("dateRange(24, 'DEC', 6, 'JAN', 'GMT')", "false"),
        ("dateRange(20, 'NOV', 6, 'JAN', 'GMT')", "true"),
        ("dateRange('NOV', 2026, 'JAN', 2027, 'GMT')", "true"),
        ("dateRange(1, 'JAN', 2026, 24, 'NOV', 2026, 'GMT')", "false"),
        ("dateRange(1, 'JAN', 2026, 25, 'NOV', 2026, 'GMT')", "true"),
        ("dateRange('x', 'GMT')", "false"),
        ("timeRange(22, 'GMT')", "true"),
        ("timeRange(9, 17, 'GMT')", "false"),
        ("timeRange(20, 6, 'GMT')", "true"),
        ("timeRange(22, 0, 22, 30, 'GMT')", "true"),
        ("timeRange(22, 0, 22, 29, 'GMT')", "false"),
        ("timeRange(22, 30, 11, 23, 0, 0, 'GMT')", "false"),
        ("timeRange(22, 30, 10, 22, 30, 10, 'GMT')", "true"),
        ("timeRange('x', 'GMT')", "false"),
    ] {
        assert_eq!(then(expression), want, "{expression}");
    }
}

#[test]
fn a_name_that_is_not_known_yet_is_asked_for_whatever_the_script_makes_of_it() {
    let script = "function FindProxyForURL(url, host) { \
                  try { if (isInNet(host, '10.0.0.0', '255.0.0.0')) return 'DIRECT'; } catch (e) {} \
                  return 'PROXY p:1'; }";
    let mut engine = engine(script);
    assert_eq!(
        engine.ask(ask(&[])),
        Outcome::Wants(Wants::Name("www.corp.test".into()))
    );
    let known = ask(&[("www.corp.test", &["10.0.0.1"])]);
    assert!(matches!(engine.ask(known), Outcome::Answered { text, .. } if text == "DIRECT"));
}

#[test]
fn its_own_addresses_are_asked_for_when_they_are_needed() {
    let mut engine = engine("function FindProxyForURL(u, h) { return 'PROXY ' + myIpAddress(); }");
    let unknown = Ask {
        own: None,
        ..ask(&[])
    };
    assert_eq!(engine.ask(unknown), Outcome::Wants(Wants::Own));
    let found = engine.ask(ask(&[]));
    assert!(matches!(found, Outcome::Answered { text, .. } if text == "PROXY 192.0.2.7"));
}

#[test]
fn an_answer_by_chance_says_so() {
    let mut engine = engine(
        "function FindProxyForURL(u, h) { return h == 'a' ? 'DIRECT' : 'PROXY p:' + (1 + Math.floor(9 * Math.random())); }",
    );
    let found = engine.ask(ask(&[]));
    assert!(matches!(
        found,
        Outcome::Answered {
            by_chance: true,
            ..
        }
    ));
    let same = Ask {
        host: "a".into(),
        ..ask(&[])
    };
    assert!(matches!(
        engine.ask(same),
        Outcome::Answered {
            by_chance: false,
            ..
        }
    ));
}

#[test]
fn what_is_no_answer_is_a_failure_in_the_scripts_words() {
    for (body, want) in [
        ("throw new Error('no\\nway')", "no way"),
        ("throw 'plain'", "plain"),
        ("throw 7", "it threw int"),
        ("return undefined", "it returned undefined, not a text"),
        ("return 7", "it returned int, not a text"),
        ("return {}", "it returned object, not a text"),
        ("return nowhere", "nowhere is not defined"),
    ] {
        let script = format!("function FindProxyForURL(url, host) {{ {body}; }}");
        let outcome = engine(&script).ask(ask(&[]));
        assert_eq!(outcome, Outcome::Failed(want.into()), "{body}");
    }
    let mut empty = engine("function FindProxyForURL() { return null; }");
    assert!(matches!(empty.ask(ask(&[])), Outcome::Answered { text, .. } if text.is_empty()));
}

#[test]
fn a_script_has_half_a_second_and_thirty_two_mebibytes() {
    let mut endless = engine("function FindProxyForURL() { for (;;) {} }");
    assert_eq!(endless.ask(ask(&[])), Outcome::Exhausted { time: true });
    let mut caught =
        engine("function FindProxyForURL() { for (;;) { try { for (;;) {} } catch (e) {} } }");
    assert_eq!(caught.ask(ask(&[])), Outcome::Exhausted { time: true });
    let mut greedy = engine(
        "const all = []; function FindProxyForURL() { for (;;) all.push('x'.repeat(99999) + all.length); }",
    );
    assert_eq!(greedy.ask(ask(&[])), Outcome::Exhausted { time: false });
    let mut deep = engine("function FindProxyForURL(u, h) { return FindProxyForURL(u, h) + 'x'; }");
    assert!(matches!(deep.ask(ask(&[])), Outcome::Failed(_)));
}

#[test]
fn what_is_no_program_is_refused_when_it_is_read() {
    for (script, want) in [
        ("function FindProxyForURL( {", "invalid"),
        ("throw 'FindProxyForURL'", "FindProxyForURL"),
        ("var FindProxyForURL = 7;", "defines no function"),
        (
            "for (;;) {} function FindProxyForURL() {}",
            "does not come to its end",
        ),
    ] {
        let prepared = Prepared::new().expect("an interpreter");
        match prepared.read(script, Ask::default()).map(drop) {
            Err(NotRead::Unusable(why)) => assert!(why.contains(want), "{script}: {why}"),
            other => panic!("{script}: {other:?}"),
        }
    }
}

#[test]
fn a_script_may_look_names_up_while_it_is_read() {
    let script = "const own = myIpAddress(), there = dnsResolve('four.test');\n\
                  function FindProxyForURL() { return own + there; }";
    let prepared = Prepared::new().expect("an interpreter");
    let wants = |known: Ask| prepared.read(script, known).map(drop);
    let first = wants(Ask::default());
    assert_eq!(first, Err(NotRead::Wants(Wants::Own)));
    let second = wants(ask(&[]));
    assert_eq!(second, Err(NotRead::Wants(Wants::Name("four.test".into()))));
    let known = ask(&[("four.test", &["198.51.100.1"])]);
    let mut engine = prepared.read(script, known).expect("a script");
    let found = engine.ask(ask(&[]));
    assert!(matches!(found, Outcome::Answered { text, .. } if text == "192.0.2.7198.51.100.1"));
}
