//! Scripts that want no good, or cannot do better.

use std::time::{Duration, Instant};

use proxy_engine::config::Unavailable;
use proxy_engine::control::RouteTaken;
use proxy_engine::pac::Script;

use super::{engine, policy, route, script};
use crate::client::{Client, get};
use crate::peer::Peer;

/// Each with the code that the status shows for it.
const HOSTILE: [(&str, &str); 9] = [
    ("for (;;) {}", "pac_too_slow"),
    ("throw new Error('no')", "pac_failed"),
    ("return 'rubbish <html>';", "pac_answer"),
    ("return undefined;", "pac_failed"),
    ("return 'PROXY a.test:1;'.repeat(9999);", "pac_answer"),
    (
        "const all = []; for (;;) all.push(new ArrayBuffer(1 << 20));",
        "pac_failed",
    ),
    ("return FindProxyForURL(url, host) + 'x';", "pac_failed"),
    (
        "return /^(a+)+$/.test('a'.repeat(99) + 'b') ? 'DIRECT' : 'PROXY a:1';",
        "pac_too_slow",
    ),
    ("return 'x'.repeat(1 << 26);", "pac_failed"),
];

#[tokio::test]
async fn no_script_makes_a_connection_direct_by_failing() {
    for (body, code) in HOSTILE {
        let (engine, relay) = engine(policy(script(body), Unavailable::Block)).await;
        let began = Instant::now();
        let taken = route(&engine, relay, "a.test").await;
        assert!(
            matches!(taken, RouteTaken::Refused { .. }),
            "{body}: {taken:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(3), "{body}");
        let shown = engine.status().pac.expect("a script").last_error;
        assert_eq!(shown.expect("an error").code, code, "{body}");
    }
}

#[tokio::test]
async fn where_direct_is_chosen_a_script_that_fails_is_passed_by() {
    let failing = policy(script("throw 1"), Unavailable::Direct);
    let (engine, relay) = engine(failing).await;
    let taken = route(&engine, relay, "a.invalid").await;
    let RouteTaken::Direct { reason } = taken else {
        panic!("{taken:?}");
    };
    assert!(reason.contains("direct is chosen"), "{reason}");
}

#[tokio::test]
async fn a_script_that_loops_for_one_host_serves_the_others() {
    let proxy = Peer::named("proxy").await;
    let text = format!(
        "if (host == 'loop.test') for (;;) {{}} return 'PROXY {}';",
        proxy.address
    );
    let (engine, relay) = engine(policy(script(&text), Unavailable::Block)).await;
    let looping = route(&engine, relay, "loop.test").await;
    assert!(matches!(looping, RouteTaken::Refused { .. }), "{looping:?}");
    let shown = engine.status().pac.expect("a script").last_error;
    assert_eq!(shown.expect("an error").code, "pac_too_slow");
    let began = Instant::now();
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.body, "proxy");
    // The host that failed does not cost its time once for each connection.
    route(&engine, relay, "loop.test").await;
    assert!(
        began.elapsed() < Duration::from_millis(450),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn what_is_no_program_blocks_and_says_so() {
    let broken = Script::new("function FindProxyForURL( {").expect("text");
    let (engine, relay) = engine(policy(broken, Unavailable::Block)).await;
    let taken = route(&engine, relay, "a.test").await;
    assert!(matches!(taken, RouteTaken::Refused { .. }), "{taken:?}");
    let shown = engine.status().pac.expect("a script").last_error;
    assert_eq!(shown.expect("an error").code, "pac_unusable");
}

#[tokio::test]
async fn a_script_finds_no_way_out_of_its_language() {
    let proxy = Peer::named("proxy").await;
    let reach = "[typeof require, typeof process, typeof fetch, typeof XMLHttpRequest, typeof std, \
                 typeof os, typeof Deno, typeof print, typeof scriptArgs, typeof diceThrown]";
    let text = format!(
        "return {reach}.every(what => what == 'undefined') ? 'PROXY {}' : 'PROXY 127.0.0.1:9';",
        proxy.address
    );
    let (_engine, relay) = engine(policy(script(&text), Unavailable::Block)).await;
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get("http://a.test/")).await.body, "proxy");
}
