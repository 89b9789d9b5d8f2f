//! `gangway doctor` where Docker and systemd are: each check sees what is there, and is content once
//! it is gone.

use serde_json::Value;
use testbed::{APP_IMAGE, Squid, Workstation};

use crate::office::{Office, gangway, set_up, text};

/// The findings of one check.
fn of(ws: &Workstation<'_>, check: &str) -> Vec<Value> {
    let output = gangway(ws, &["doctor", "--json"]);
    let examination: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert!(!examination.to_string().contains("canary"), "{examination}");
    let findings = examination["findings"].as_array().unwrap().clone();
    findings
        .into_iter()
        .filter(|finding| finding["check"] == check)
        .collect()
}

/// Subject, verdict and proxy of the only one.
fn only(ws: &Workstation<'_>, check: &str) -> [String; 3] {
    let found = of(ws, check);
    assert_eq!(found.len(), 1, "{check}: {found:#?}");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    [
        word(&found[0]["subject"]),
        word(&found[0]["verdict"]),
        word(&found[0]["what"]["args"]["proxy"]),
    ]
}

#[test]
fn what_containers_builders_systemd_and_the_registry_say_is_seen_while_it_is_so() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    assert_eq!(of(&ws, "registry"), [Value::Null; 0], "no image is here");
    ws.sh(&format!("docker pull -q {APP_IMAGE}")).unwrap();
    assert_eq!(only(&ws, "registry"), [APP_IMAGE, "good", ""]);

    // The company's resolver knows no name outside, as most do.
    assert_eq!(only(&ws, "dns"), ["example.com", "warn", ""]);
    ws.sh("echo 192.0.2.10 example.com >> /etc/hosts").unwrap();
    assert_eq!(only(&ws, "dns"), ["example.com", "good", ""]);
    assert!(gangway(&ws, &["off"]).status.success());
    assert_eq!(of(&ws, "dns"), [Value::Null; 0], "nothing is intercepted");
    assert!(gangway(&ws, &["on"]).status.success());

    let run = |name: &str, proxy: &str| {
        ws.sh(&format!(
            "docker run --detach --name {name} --env https_proxy={proxy} --env HTTPS_PROXY= \
             --env http_proxy= --env HTTP_PROXY= {APP_IMAGE} sleep 600"
        ))
        .unwrap();
    };
    run("old", "http://ann:canary@old.test:1");
    assert_eq!(only(&ws, "container"), ["old", "warn", "old.test:1"]);
    ws.sh("docker rm --force old").unwrap();
    // What the command line gave it is what the policy says.
    ws.sh(&format!(
        "docker run --detach --name told {APP_IMAGE} sleep 600"
    ))
    .unwrap();
    assert_eq!(of(&ws, "container"), [Value::Null; 0]);

    run("buildx_buildkit_one0", "");
    assert_eq!(only(&ws, "builder"), ["buildx_buildkit_one0", "warn", ""]);
    ws.sh("docker rm --force buildx_buildkit_one0").unwrap();
    run("buildx_buildkit_two0", "http://old.test:1");
    assert_eq!(
        only(&ws, "builder"),
        ["buildx_buildkit_two0", "warn", "old.test:1"]
    );
    ws.sh("docker rm --force buildx_buildkit_two0").unwrap();
    assert_eq!(of(&ws, "builder"), [Value::Null; 0]);

    ws.sh("systemctl set-environment https_proxy=http://ann:canary@old.test:2")
        .unwrap();
    let manager = ["systemctl show-environment", "warn", "old.test:2"];
    assert_eq!(only(&ws, "manager_environment"), manager);
    ws.sh("systemctl unset-environment https_proxy").unwrap();
    assert_eq!(of(&ws, "manager_environment"), [Value::Null; 0]);

    drop(squid);
    assert_eq!(only(&ws, "registry"), [APP_IMAGE, "warn", ""]);
}
