//! The engine on Windows, as far as Wine is it.

use std::path::Path;
use std::time::Duration;

use testbed::{Access, BasicLogin, Child, Kdc, Squid, Wine, wait_for};

use crate::WITHIN;
use crate::office::Office;

/// The program that `make test` builds for Windows.
const RELAY: &str = "x86_64-pc-windows-gnu/debug/examples/relay.exe";
/// A Windows that starts for the first time makes its disk before anything else.
const FIRST_START: Duration = Duration::from_mins(2);

/// A machine with the relay on it.
fn machine() -> Wine {
    let programs = Path::new(env!("CARGO_BIN_EXE_proxy-engine")).ancestors();
    let relay = { programs.map(|folder| folder.join(RELAY)) }.find(|path| path.is_file());
    let relay = relay.expect("`make test` builds the example for Windows before it runs the tests");
    Wine::with(&relay).unwrap()
}

/// The relay, once it listens.
fn relay(office: &Office, wine: &Wine, environment: &[(&str, &str)]) -> Child {
    let arguments = ["127.0.0.1:3182", "http://proxy.corp.test:3128"];
    let node = &office.corp.node;
    let mut relay = wine.start(node, &arguments, environment).unwrap();
    wait_for("it listens", FIRST_START, || {
        assert!(relay.ended().is_none(), "it ended: its words stand above");
        let dial = || std::net::TcpStream::connect("127.0.0.1:3182").is_ok();
        node.enter(dial).ok().filter(|up| *up)
    })
    .unwrap();
    relay
}

fn gets_through(office: &Office) {
    for url in [
        "http://web.example.test/hello",
        "https://web.example.test/hello",
    ] {
        office.node_gets(url).unwrap();
    }
}

#[test]
fn on_windows_a_proxy_is_shown_the_ticket_of_the_user_who_is_logged_in() {
    let office = Office::open();
    office.name_the_proxy();
    let kdc = Kdc::start(&office.corp, "anna", "pw").unwrap();
    let access = Access::Negotiate {
        keytab: kdc.keytab(),
        config: kdc.config(),
    };
    let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
    let config = kdc.config().display().to_string();
    let cache = format!("FILE:{}", kdc.cache().display());
    let wine = machine();
    let user = [("KRB5_CONFIG", &*config), ("KRB5CCNAME", &*cache)];
    let _relay = relay(&office, &wine, &user);
    let none = office.node_asks("http://web.example.test/hello");
    assert!(none.contains("407") && none.contains("klist"), "{none}");

    kdc.ticket(&office.corp, "anna", "pw", 600).unwrap();
    gets_through(&office);
    squid
        .logged("CONNECT web.example.test:443 200 anna@CORP.TEST", WITHIN)
        .unwrap();
}

#[test]
fn on_windows_a_proxy_that_knows_ntlm_alone_is_told_who_is_logged_in() {
    let office = Office::open();
    office.name_the_proxy();
    let login = |password: &str| BasicLogin {
        user: "anna".into(),
        password: password.into(),
    };
    let access = Access::Ntlm(login("pw"));
    let squid = Squid::with_access(&office.corp, 3128, &access).unwrap();
    let known = |line: &String| {
        line.starts_with("CONNECT") && line.contains(" 200 ") && line.ends_with("\\anna")
    };
    {
        let mut wine = machine();
        wine.log_in(&login("pw")).unwrap();
        let _relay = relay(&office, &wine, &[]);
        gets_through(&office);
        let waited = wait_for("squid knows who it was", WITHIN, || {
            squid.log().iter().any(known).then_some(())
        });
        assert!(waited.is_ok(), "{:#?}", squid.log());
    }
    // Who is refused is not shown to it again.
    let mut wine = machine();
    wine.log_in(&login("wrong")).unwrap();
    let _relay = relay(&office, &wine, &[]);
    let before = squid.log().len();
    for _ in 0..4 {
        let refused = office.node_asks("http://web.example.test/hello");
        assert!(refused.contains("407"), "{refused}");
    }
    let log = squid.log();
    let asked = log[before..].iter().filter(|line| line.contains(" 407 "));
    assert!((2..=6).contains(&asked.count()), "{log:#?}");
}
