//! A proxy that wants to know who asks, in every way that companies want it.

use std::time::Duration;

use testbed::{Access, BasicLogin, Child, Kdc, Squid, wait_for};

use crate::WITHIN;
use crate::office::Office;

const USER: &str = "anna";
/// The company's proxy by its name, which its key in Kerberos is filed under.
const NAMED: &str = "proxy.corp.test:3128";

fn login() -> BasicLogin {
    BasicLogin {
        user: USER.into(),
        password: "c0rrect h:rse@%\"'é".into(),
    }
}

/// An engine that also serves clients which know their proxy.
fn start_engine(office: &Office, flags: &[&str], credentials: &str) -> Child {
    office.name_the_proxy();
    let mut all = vec!["--listen", "127.0.0.1:3182"];
    all.extend(flags);
    if !credentials.is_empty() {
        all.extend(["--credentials-fd", "0"]);
    }
    office.engine(&all, credentials)
}

pub(crate) fn credentials(authority: &str, login: &BasicLogin) -> String {
    format!("{authority}\0{}\0{}\0", login.user, login.password)
}

/// Every way through: intercepted and explicit, HTTP and HTTPS, with and without a body.
fn everything_gets_through(office: &Office, what: &str) {
    for url in [
        "http://web.example.test/hello",
        "https://web.example.test/hello",
    ] {
        let hello = format!("hello from {}\n", url.strip_suffix("/hello").unwrap());
        for _ in 0..3 {
            assert_eq!(office.pod_gets(url), Ok(hello.clone()), "{what}: {url}");
            assert_eq!(office.node_gets(url), Ok(hello.clone()), "{what}: {url}");
        }
    }
    let posted = office.pod_posts("http://web.example.test/hello", 3_000_000);
    assert_eq!(posted, Ok("200".into()), "{what}: a body");
    for seen in office.origin.seen() {
        let head = seen.head.to_ascii_lowercase();
        for ours in ["proxy-", "authorization", "ntlm", "negotiate"] {
            assert!(!head.contains(ours), "{what}: {head}");
        }
    }
}

#[test]
fn a_real_squid_is_logged_in_to_in_every_way_that_a_password_goes() {
    let office = Office::open();
    let login = login();
    let every = vec![
        Access::Ntlm(login.clone()),
        Access::Digest(login.clone()),
        Access::Hashed(login.clone()),
    ];
    for (what, known_as, access) in [
        ("Basic", " anna", Access::Hashed(login.clone())),
        ("Digest", " anna", Access::Digest(login.clone())),
        ("NTLM", "\\anna", Access::Ntlm(login.clone())),
        // Of a name in Unicode it reads the first letter.
        ("fake NTLM", "\\a", Access::FakeNtlm),
        ("any of them", "\\anna", Access::AnyOf(every)),
    ] {
        let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
        let flags = ["--upstream", "http://anna@10.66.0.2:3128"];
        let engine = start_engine(&office, &flags, &credentials("10.66.0.2:3128", &login));
        everything_gets_through(&office, what);
        let known = || {
            let log = squid.log();
            let mut tunnels = log.iter().filter(|line| line.starts_with("CONNECT"));
            tunnels.any(|line| line.contains(" 200 ") && line.ends_with(known_as))
        };
        let waited = wait_for("squid knows who it was", WITHIN, || known().then_some(()));
        assert!(waited.is_ok(), "{what}: {:#?}", squid.log());
        drop(engine);
    }
}

#[test]
fn a_wrong_password_is_proved_to_squid_once_in_every_way() {
    let office = Office::open();
    let wrong = BasicLogin {
        password: "wrong".into(),
        ..login()
    };
    for (what, access) in [
        ("Basic", Access::Hashed(login())),
        ("Digest", Access::Digest(login())),
        ("NTLM", Access::Ntlm(login())),
    ] {
        let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
        let flags = ["--upstream", "http://anna@10.66.0.2:3128"];
        let engine = start_engine(&office, &flags, &credentials("10.66.0.2:3128", &wrong));
        for _ in 0..5 {
            let answer = office.pod_asks("http://web.example.test/hello");
            assert!(
                answer.contains("407") && answer.contains("gangway login"),
                "{what}: {answer}"
            );
        }
        let error = office.status()["upstreams"][0]["last_error"]["code"].clone();
        assert_eq!(error, "credentials_refused", "{what}");
        // What asked how, and what was refused (NTLM says one thing more): not five of them.
        let log = squid.log();
        let asked = log.iter().filter(|line| line.contains(" 407 "));
        assert!((2..=3).contains(&asked.count()), "{what}: {log:#?}");
        drop(engine);
    }
}

/// An engine with the realm's settings and this ticket cache, whatever is in it.
pub(crate) fn kerberos_engine(
    office: &Office,
    kdc: &Kdc,
    flags: &[&str],
    credentials: &str,
) -> Child {
    let cache = format!("FILE:{}", kdc.cache().display());
    let config = kdc.config().display().to_string();
    office.set_environment(&[("KRB5_CONFIG", &config), ("KRB5CCNAME", &cache)]);
    start_engine(office, flags, credentials)
}

#[test]
fn a_ticket_that_appears_expires_or_is_renewed_is_noticed_at_the_next_connection() {
    let office = Office::open();
    let kdc = Kdc::start(&office.corp, USER, "pw").unwrap();
    let access = Access::Negotiate {
        keytab: kdc.keytab(),
        config: kdc.config(),
    };
    let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
    let flags = [
        "--upstream",
        "http://proxy.corp.test:3128",
        "--ticket-for",
        NAMED,
    ];
    let _engine = kerberos_engine(&office, &kdc, &flags, "");
    let none = office.pod_asks("http://web.example.test/hello");
    assert!(none.contains("407") && none.contains("kinit"), "{none}");

    kdc.ticket(&office.corp, USER, "pw", 600).unwrap();
    everything_gets_through(&office, "a ticket");
    squid
        .logged("CONNECT web.example.test:443 200 anna@CORP.TEST", WITHIN)
        .unwrap();

    kdc.ticket(&office.corp, USER, "pw", 1).unwrap();
    wait_for("the ticket is too old", Duration::from_secs(10), || {
        let answer = office.pod_asks("http://web.example.test/hello");
        answer.contains("407").then_some(())
    })
    .unwrap();

    kdc.ticket(&office.corp, USER, "pw", 600).unwrap();
    assert!(office.pod_gets("https://web.example.test/hello").is_ok());
}

#[test]
fn a_password_gets_its_ticket_from_the_kdc_and_a_wrong_one_is_asked_about_once() {
    let office = Office::open();
    let kdc = Kdc::start(&office.corp, USER, "pw").unwrap();
    let access = Access::Negotiate {
        keytab: kdc.keytab(),
        config: kdc.config(),
    };
    let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
    let flags = ["--upstream", "http://anna%40corp.test@proxy.corp.test:3128"];
    let mut login = BasicLogin {
        user: "anna@corp.test".into(),
        password: "pw".into(),
    };
    let engine = kerberos_engine(&office, &kdc, &flags, &credentials(NAMED, &login));
    everything_gets_through(&office, "a password");
    squid
        .logged("CONNECT web.example.test:443 200 anna@CORP.TEST", WITHIN)
        .unwrap();
    drop(engine);

    login.password = "wrong".into();
    let _engine = kerberos_engine(&office, &kdc, &flags, &credentials(NAMED, &login));
    for _ in 0..5 {
        let answer = office.pod_asks("http://web.example.test/hello");
        assert!(
            answer.contains("407") && answer.contains("gangway login"),
            "{answer}"
        );
    }
    let log = kdc.log();
    let failures = log.iter().filter(|line| line.contains("PREAUTH_FAILED"));
    assert_eq!(failures.count(), 1, "{log:#?}");
}

#[test]
fn a_ticket_goes_to_no_proxy_that_was_not_named_and_another_way_is_taken_without_one() {
    let office = Office::open();
    let kdc = Kdc::start(&office.corp, USER, "pw").unwrap();
    kdc.ticket(&office.corp, USER, "pw", 600).unwrap();
    let negotiate = Access::Negotiate {
        keytab: kdc.keytab(),
        config: kdc.config(),
    };
    let access = Access::AnyOf(vec![negotiate, Access::Hashed(login())]);
    let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
    let nobody = ["--upstream", "http://proxy.corp.test:3128"];
    let engine = kerberos_engine(&office, &kdc, &nobody, "");
    let answer = office.pod_asks("http://web.example.test/hello");
    assert!(answer.contains("407"), "{answer}");
    drop(engine);

    std::fs::remove_file(kdc.cache()).unwrap();
    let flags = [
        "--upstream",
        "http://anna@proxy.corp.test:3128",
        "--ticket-for",
        NAMED,
    ];
    // To the KDC that password is a wrong one, and was not meant for it.
    office.set_environment(&[("KRB5_CONFIG", "/dev/null")]);
    let _engine = start_engine(&office, &flags, &credentials(NAMED, &login()));
    everything_gets_through(&office, "Basic in place of a ticket");
    squid
        .logged("CONNECT web.example.test:443 200 anna", WITHIN)
        .unwrap();
}
