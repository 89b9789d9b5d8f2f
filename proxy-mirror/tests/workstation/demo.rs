//! `gangway demo` where Docker answers.

use proxy_mirror::control::{DemoClient, Demonstration};

use crate::office::{Office, gangway, text};

#[test]
fn with_docker_the_demo_gets_a_real_container_out_and_leaves_nothing_behind() {
    let office = Office::open();
    let ws = office.workstation();
    let everything = "docker images -q; docker network ls -q; ip -brief link; nft -s list ruleset";
    let before = ws.sh(everything).unwrap();

    let output = gangway(&ws, &["demo", "--json"]);
    let shown: Demonstration = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));

    assert!(shown.ok, "{shown:#?}");
    assert_eq!(shown.client, DemoClient::Container);
    assert!(shown.seconds < 20.0, "it took {} s", shown.seconds);
    assert_eq!(ws.sh(everything).unwrap(), before);
}
