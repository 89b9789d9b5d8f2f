//! Companies whose proxy speaks something else: SOCKS, by a real Dante; HTTP inside of TLS, by a
//! real HAProxy before a real squid.

use std::net::SocketAddr;
use std::time::Duration;

use testbed::{BasicLogin, Danted, Squid, SshSocks, TlsFront, wait_for};

use crate::WITHIN;
use crate::office::Office;

/// What a client of an explicit proxy says to the engine, on the pods' bridge.
const EXPLICIT: &str = "10.244.0.1:3182";
const URLS: [&str; 3] = [
    "http://web.example.test/hello",
    "https://web.example.test/hello",
    "https://web6.example.test/hello",
];

/// A pod that knows of no proxy, and one that was told, reach everything through this upstream.
fn serves(office: &Office, urls: &[&str]) {
    for url in urls {
        let hello = format!("hello from {}\n", url.strip_suffix("/hello").unwrap());
        assert_eq!(office.pod_gets(url).unwrap(), hello, "intercepted");
        let explicit = office.curl(&["-f", "-x", EXPLICIT, url]).unwrap();
        assert_eq!(explicit, hello, "explicit");
    }
    let bytes = office.pod_gets("https://other.example.test/bytes/3000000");
    assert_eq!(bytes.unwrap().len(), 3_000_000);
}

fn flags<'a>(upstream: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let flags = ["--upstream", upstream, "--listen", EXPLICIT];
    flags.iter().chain(more).copied().collect()
}

#[test]
fn a_pod_goes_out_through_socks_of_both_versions() {
    let office = Office::open();
    let danted = Danted::start(&office.corp, 1080, None).unwrap();
    for (scheme, urls) in [
        ("socks5h", &URLS[..]),
        ("socks5", &URLS),
        // Version 4 knows no IPv6, and our resolver gives `web6` no other address.
        ("socks4", &URLS[..2]),
    ] {
        let upstream = format!("{scheme}://{}", danted.address());
        let engine = office.engine(&flags(&upstream, &[]), "");
        println!("{scheme}");
        serves(&office, urls);
        engine.terminate(Duration::from_secs(10)).unwrap();
    }
    let log = danted.log();
    assert!(log.contains("pass(1): tcp/connect"), "{log}");
}

#[test]
fn a_pod_goes_out_by_the_names_that_it_asks_for_through_an_ssh_that_speaks_socks() {
    let office = Office::open();
    let ssh = SshSocks::start(&office.corp, 1081).unwrap();
    for (scheme, version) in [("socks4a", "socks4"), ("socks5h", "socks5")] {
        let upstream = format!("{scheme}://{}", ssh.address());
        let engine = office.engine(&flags(&upstream, &[]), "");
        // Whoever resolves names is the far end: of version 4a, too, which knows no IPv6 address.
        serves(&office, &URLS[..2]);
        engine.terminate(Duration::from_secs(10)).unwrap();
        let log = ssh.log();
        let asked = format!("dynamic request: {version} host web.example.test port 443");
        assert!(log.contains(&asked), "{scheme}: {log}");
    }
}

#[test]
fn a_socks_proxy_that_asks_for_a_login_gets_it() {
    let office = Office::open();
    let login = BasicLogin {
        user: "anna".into(),
        password: "c0rrect h:rse@".into(),
    };
    let danted = Danted::start(&office.corp, 1080, Some(&login)).unwrap();
    let upstream = format!("socks5h://anna@{}", danted.address());
    let credentials = |password: &str| format!("{}\0anna\0{password}\0", danted.address());
    let flags = flags(&upstream, &["--credentials-fd", "0"]);
    let engine = office.engine(&flags, &credentials(&login.password));
    serves(&office, &URLS);
    engine.terminate(Duration::from_secs(10)).unwrap();

    let _engine = office.engine(&flags, &credentials("wrong"));
    for _ in 0..3 {
        assert!(office.pod_gets(URLS[1]).is_err());
    }
    let error = office.status()["upstreams"][0]["last_error"].take();
    assert_eq!(error["code"], "credentials_refused", "{error:#}");
}

#[test]
fn a_pod_goes_out_through_a_proxy_inside_of_tls() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let names = ["proxy.corp.test", "10.66.0.2"];
    let front = TlsFront::start(&office.corp, 3129, &office.ca, &names, squid.address()).unwrap();
    let upstream = format!("https://{}", front.address());
    let ca = office.file("ca.pem");
    let engine = office.engine(&flags(&upstream, &["--upstream-ca", &ca]), "");
    serves(&office, &URLS);
    squid
        .logged("CONNECT web.example.test:443 200", WITHIN)
        .unwrap();
    squid
        .logged("GET http://web.example.test/hello 200", WITHIN)
        .unwrap();
    engine.terminate(Duration::from_secs(10)).unwrap();

    // Nobody vouches for it without the company's authority.
    let _engine = office.engine(&flags(&upstream, &[]), "");
    assert!(office.pod_gets(URLS[1]).is_err());
    let error = office.status()["upstreams"][0]["last_error"].take();
    assert_eq!(error["code"], "upstream_certificate", "{error:#}");
}

#[test]
fn a_killed_proxy_is_replaced_by_the_next_until_it_is_back() {
    let office = Office::open();
    let first = Squid::start(&office.corp).unwrap();
    let front = TlsFront::start(
        &office.corp,
        3129,
        &office.ca,
        &["10.66.0.2"],
        // Not behind the first one.
        SocketAddr::from(([10, 66, 0, 2], 3130)),
    );
    let front = front.unwrap();
    let second = Squid::with_basic(
        &office.corp,
        3130,
        &BasicLogin {
            user: "anna".into(),
            password: "secret".into(),
        },
    )
    .unwrap();
    let urls = [
        format!("http://{}", first.address()),
        format!("https://anna@{}", front.address()),
    ];
    let ca = office.file("ca.pem");
    let _engine = office.engine(
        &[
            "--upstream",
            &urls[0],
            &urls[1],
            "--upstream-ca",
            &ca,
            "--credentials-fd",
            "0",
        ],
        &format!("{}\0anna\0secret\0", front.address()),
    );
    assert!(office.pod_gets(URLS[1]).is_ok());
    first
        .logged("CONNECT web.example.test:443 200", WITHIN)
        .unwrap();
    first.kill();
    // Not one request is lost, whichever notices first.
    for url in [URLS[1], URLS[0], URLS[2]] {
        assert!(office.pod_gets(url).is_ok(), "{url}");
    }
    second
        .logged("CONNECT web.example.test:443 200 anna", WITHIN)
        .unwrap();
    let down = || office.status()["upstreams"][0]["down"] == true;
    assert!(down());

    let back = Squid::start(&office.corp).unwrap();
    wait_for("the first is found", Duration::from_secs(15), || {
        (!down()).then_some(())
    })
    .unwrap();
    assert!(office.pod_gets(URLS[1]).is_ok());
    back.logged("CONNECT web.example.test:443 200", WITHIN)
        .unwrap();
}
