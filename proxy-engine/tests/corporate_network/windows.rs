//! The engine on Windows, as far as Wine is it.

use std::path::Path;
use std::time::Duration;

use testbed::{Access, Kdc, Squid, Wine, wait_for};

use crate::WITHIN;
use crate::office::Office;

/// The program that `make test` builds for Windows.
const RELAY: &str = "x86_64-pc-windows-gnu/debug/examples/relay.exe";
/// A Windows that starts for the first time makes its disk before anything else.
const FIRST_START: Duration = Duration::from_mins(2);

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
    let programs = Path::new(env!("CARGO_BIN_EXE_proxy-engine")).ancestors();
    let relay = programs
        .map(|folder| folder.join(RELAY))
        .find(|path| path.is_file());
    let relay = relay.expect("`make test` builds the example for Windows before it runs the tests");
    let wine = Wine::with(&relay).unwrap();
    let config = kdc.config().display().to_string();
    let cache = format!("FILE:{}", kdc.cache().display());
    let arguments = ["127.0.0.1:3182", "http://proxy.corp.test:3128"];
    let user = [("KRB5_CONFIG", &*config), ("KRB5CCNAME", &*cache)];
    let mut engine = wine.start(&office.corp.node, &arguments, &user).unwrap();
    wait_for("it listens", FIRST_START, || {
        assert!(engine.ended().is_none(), "it ended: its words stand above");
        let dial = || std::net::TcpStream::connect("127.0.0.1:3182").is_ok();
        office.corp.node.enter(dial).ok().filter(|up| *up)
    })
    .unwrap();

    let none = office.node_asks("http://web.example.test/hello");
    assert!(none.contains("407") && none.contains("klist"), "{none}");

    kdc.ticket(&office.corp, "anna", "pw", 600).unwrap();
    for url in [
        "http://web.example.test/hello",
        "https://web.example.test/hello",
    ] {
        office.node_gets(url).unwrap();
    }
    squid
        .logged("CONNECT web.example.test:443 200 anna@CORP.TEST", WITHIN)
        .unwrap();
}
