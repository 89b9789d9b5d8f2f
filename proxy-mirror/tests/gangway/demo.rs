//! `gangway demo`, told from beginning to end.

use std::process::Command;

use proxy_mirror::control::Demonstration;

use crate::schemas::assert_valid;

#[test]
fn the_demo_gets_a_pod_out_kills_the_engine_and_leaves_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_gangway"))
        .args(["demo", "--json"])
        // No Docker: the machine's own, where there is one, is left alone.
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert_valid("demo", &value);
    let shown: Demonstration = serde_json::from_value(value).unwrap();
    assert!(output.status.success() && shown.ok, "{shown:#?}\n{said}");

    let [before, with, after] = &shown.steps[..] else {
        panic!("{shown:#?}")
    };
    assert!(
        before.seen.iter().all(|line| line.contains("no page")),
        "{before:#?}"
    );
    for route in [
        "www.example.test:443 → http://10.99.77.2:3128",
        "www.example.test:80 → http://10.99.77.2:3128",
    ] {
        assert!(
            with.seen.iter().any(|line| line.contains(route)),
            "{with:#?}"
        );
    }
    assert!(after.seen[0].ends_with("before: 1, after: 0"), "{after:#?}");
    assert!(shown.seconds < 20.0, "it took {} s", shown.seconds);
}
