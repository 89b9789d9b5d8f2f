//! Clusters: what no setting reaches is intercepted.

use serde_json::json;
use testbed::{APP_IMAGE, Squid, wait_for};

use crate::office::{Office, SOON, gangway, set_up, start_agent, state_of, text};

#[test]
fn a_kind_like_nodes_pod_gets_out_by_name_without_any_setting() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    start_agent(&ws);
    ws.sh(&format!("docker pull -q {APP_IMAGE}")).unwrap();

    let node = ws.kind_node().unwrap();
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://other.example.test/hello");
        // The network is seconds old: the agent hears of it from Docker, the engine from the agent.
        let fetched = wait_for(&format!("the pod reaches {url}"), SOON, || {
            let fetched = node.pod("curl", &["-sS", "-m", "5", &url]).unwrap();
            fetched.status.success().then(|| text(&fetched.stdout))
        });
        let fetched = fetched.unwrap_or_else(|late| {
            let last = node.pod("curl", &["-svS", "-m", "5", &url]).unwrap();
            panic!(
                "{late}: {}\n{:#}",
                text(&last.stderr),
                crate::office::status(&ws)
            )
        });
        assert!(fetched.contains(&format!("hello from {scheme}://other.example.test")));
    }
    // A name, not the address that the pod dialled.
    squid
        .logged("CONNECT other.example.test:443", SOON)
        .unwrap();
    squid
        .logged("GET http://other.example.test/hello", SOON)
        .unwrap();
    assert!(!squid.log().iter().any(|line| line.contains("203.0.113.")));
    assert_eq!(state_of(&ws, "clusters"), "in_force");

    // Beside the pod's connections stands its node: the agent knows it from Docker.
    wait_for(
        "the node is named beside its pod's connections",
        SOON,
        || {
            node.pod(
                "curl",
                &["-sS", "-m", "5", "https://other.example.test/hello"],
            )
            .unwrap();
            let list = gangway(&ws, &["connections", "--all", "--json"]);
            let list: serde_json::Value = serde_json::from_slice(&list.stdout).ok()?;
            let mut connections = list["connections"].as_array()?.iter();
            connections
                .any(|seen| {
                    seen["name"] == "other.example.test:443"
                        && seen["who"] == json!({"kind": "guest", "name": "demo-control-plane"})
                        && seen["dialled"] == squid.address().to_string()
                        && seen["via"] == "transparent"
                })
                .then_some(())
        },
    )
    .unwrap_or_else(|late| {
        let list = gangway(&ws, &["connections", "--all"]);
        panic!("{late}: {}{}", text(&list.stdout), text(&list.stderr))
    });
}
