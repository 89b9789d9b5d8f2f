//! A pod behind a bridge, in a company's network that only its proxy can leave: the pod has no
//! proxy setting at all, the company's proxy is a real squid, names and certificates are real.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "corporate_network/login.rs"]
mod login;
#[path = "corporate_network/moved.rs"]
mod moved;
#[path = "corporate_network/negotiate.rs"]
mod negotiate;
#[path = "corporate_network/office.rs"]
mod office;
#[path = "corporate_network/other_proxies.rs"]
mod other_proxies;
#[path = "corporate_network/refusal.rs"]
mod refusal;
#[path = "corporate_network/windows.rs"]
mod windows;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use office::{NEAR, Office};
use testbed::{BasicLogin, Recorder, Squid, wait_for};

const WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_pod_without_settings_reaches_http_and_https_by_name() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    for url in [
        "http://web.example.test/hello",
        "https://web.example.test/hello",
    ] {
        assert!(office.pod_gets(url).is_err(), "{url} before");
    }
    let _engine = office.engine(&["--upstream", "http://10.66.0.2:3128"], "");
    for url in [
        "http://web.example.test/hello",
        "https://web.example.test/hello",
        "http://web6.example.test/hello",
        "https://web6.example.test/hello",
    ] {
        let scheme_and_host = url.strip_suffix("/hello").unwrap();
        assert_eq!(
            office.pod_gets(url).unwrap(),
            format!("hello from {scheme_and_host}\n")
        );
    }
    assert_eq!(
        office
            .pod_gets("https://other.example.test/bytes/3000000")
            .unwrap()
            .len(),
        3_000_000
    );
    squid
        .logged("GET http://web.example.test/hello 200", WITHIN)
        .unwrap();
    squid
        .logged("GET http://web6.example.test/hello 200", WITHIN)
        .unwrap();
    assert!(
        office.status()["listeners"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["error"].is_null()),
        "both families have a listener"
    );
    // Names, not addresses: the company's proxy decides by name.
    squid
        .logged("CONNECT web.example.test:443 200", WITHIN)
        .unwrap();
    squid
        .logged("CONNECT web6.example.test:443 200", WITHIN)
        .unwrap();
    squid
        .logged("CONNECT other.example.test:443 200", WITHIN)
        .unwrap();
}

#[test]
fn a_proxy_that_asks_for_a_login_gets_it_and_the_origin_does_not() {
    let office = Office::open();
    let login = BasicLogin {
        user: "anna".into(),
        password: "c0rrect h:rse@".into(),
    };
    let _squid = Squid::with_basic(&office.corp, 3128, &login).unwrap();
    let credentials = format!("10.66.0.2:3128\0{}\0{}\0", login.user, login.password);
    let flags = [
        "--upstream",
        "http://anna@10.66.0.2:3128",
        "--credentials-fd",
        "0",
    ];
    let engine = office.engine(&flags, &credentials);
    assert!(office.pod_gets("https://web.example.test/hello").is_ok());
    assert!(office.pod_gets("http://web.example.test/hello").is_ok());
    for seen in office.origin.seen() {
        let head = seen.head.to_ascii_lowercase();
        for ours in ["proxy-", "authorization", "basic "] {
            assert!(!head.contains(ours), "{head}");
        }
    }
    let arguments = std::fs::read(format!("/proc/{}/cmdline", engine.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains("h:rse"));
}

#[test]
fn a_killed_engine_leaves_no_rule_and_direct_traffic_as_if_never_installed() {
    let office = Office::open();
    let _squid = Squid::start(&office.corp).unwrap();
    let server = office.near();
    let url = format!("https://{NEAR}/hello");
    assert!(office.pod_gets(&url).is_ok());
    let rules_before = office.corp.node.sh("nft list ruleset").unwrap();

    let engine = office.engine(&["--upstream", "http://10.66.0.2:3128"], "");
    assert!(
        office
            .corp
            .node
            .sh("nft list tables")
            .unwrap()
            .contains("gangway")
    );
    assert!(
        office.pod_gets(&url).is_err(),
        "the proxy does not reach {NEAR}"
    );

    let killed = Instant::now();
    engine.kill();
    wait_for("the engine's table goes", Duration::from_secs(1), || {
        (office.corp.node.sh("nft list ruleset").unwrap() == rules_before).then_some(())
    })
    .unwrap();
    println!(
        "no rule left {} ms after kill -9",
        killed.elapsed().as_millis()
    );
    assert!(office.pod_gets(&url).is_ok());
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.peer.ip() == Ipv4Addr::new(10, 66, 0, 10))
    );
}

#[test]
fn an_upstream_that_is_down_is_named_to_http_clients_and_closes_tls_cleanly() {
    let office = Office::open();
    let engine = office.engine(&["--upstream", "http://10.66.0.2:3128"], "");
    let answer = office.pod_asks("http://web.example.test/hello");
    assert!(answer.contains("502"), "{answer}");
    assert!(answer.contains("10.66.0.2:3128"), "{answer}");
    assert!(office.pod_gets("https://web.example.test/hello").is_err());
    let status = office.status();
    assert_eq!(
        status["upstreams"][0]["last_error"]["code"], "upstream_unreachable",
        "{status:#}"
    );
    assert_eq!(status["pid"], engine.pid());
}

#[test]
fn an_upstream_that_answers_nothing_at_all_is_a_gateway_timeout_that_names_it() {
    let office = Office::open();
    // As a firewall does it: what is sent there is swallowed.
    office
        .corp
        .proxy
        .sh("nft add table inet swallow; \
             nft 'add chain inet swallow in { type filter hook input priority 0; }'; \
             nft add rule inet swallow in tcp dport 3999 drop")
        .unwrap();
    let _engine = office.engine(&["--upstream", "http://10.66.0.2:3999"], "");
    let answer = office
        .corp
        .pod
        .sh("curl -s -m 20 -w '%{http_code}' http://web.example.test/hello")
        .unwrap();
    assert!(answer.ends_with("504"), "{answer}");
    assert!(answer.contains("10.66.0.2:3999"), "{answer}");
    let status = office.status();
    let why = status["upstreams"][0]["last_error"]["message"].to_string();
    assert!(
        why.contains("10.66.0.2:3999") && why.contains("timed out"),
        "{why}"
    );
}

#[test]
fn a_hundred_changes_of_the_upstream_reach_new_connections_at_once_and_end_no_download() {
    let office = Office::open();
    let proxies = ["10.66.0.2:8080", "10.66.0.2:8081"]
        .map(|at| Recorder::start(&office.corp.proxy, at.parse().unwrap()).unwrap());
    let server = office.near();
    let engine = office.engine(&["--upstream", "http://10.66.0.2:8080"], "");
    let download = office.pod_downloads("https://web.example.test/held");
    wait_for("the download runs", WITHIN, || {
        (!office.origin.seen().is_empty()).then_some(())
    })
    .unwrap();

    // Which way a new connection went is told by who sees it.
    let counts = || {
        let [first, second] = &proxies;
        [
            first.lines().len(),
            second.lines().len(),
            server.seen().len(),
        ]
    };
    let mut worst = Duration::ZERO;
    for step in 0..100 {
        let way = (step + 1) % 3;
        let upstream = proxies
            .get(way)
            .map(|proxy| format!("http://{}", proxy.address()));
        office.swap(upstream.as_deref());
        let swapped = Instant::now();
        wait_for(
            "a new connection takes the new way",
            Duration::from_secs(1),
            || {
                let before = counts();
                // The proxies do not reach this address: what counts is that they were asked.
                let _ = office.pod_asks(&format!("http://{NEAR}/hello"));
                let after = counts();
                (0..3)
                    .all(|i| after[i] == before[i] + usize::from(i == way))
                    .then_some(())
            },
        )
        .unwrap();
        worst = worst.max(swapped.elapsed());
    }
    println!(
        "worst of 100 changes: {} ms until a new connection took the new way",
        worst.as_millis()
    );
    assert_eq!(office.status()["pid"], engine.pid());

    office.origin.release();
    let output = download.output(WITHIN).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn all_ports_are_intercepted_when_asked_for() {
    let office = Office::open();
    let recorder = Recorder::start(&office.corp.proxy, "10.66.0.2:8080".parse().unwrap()).unwrap();
    let _engine = office.engine(
        &["--upstream", "http://10.66.0.2:8080", "--ports", "all"],
        "",
    );
    // Nothing listens at this port; what counts is what the company's proxy is asked for.
    assert!(
        office
            .pod_gets("https://web.example.test:8443/hello")
            .is_err()
    );
    let asked = || {
        recorder
            .lines()
            .contains(&"CONNECT web.example.test:8443".into())
            .then_some(())
    };
    wait_for("the proxy is asked for port 8443", WITHIN, asked).unwrap();
}
