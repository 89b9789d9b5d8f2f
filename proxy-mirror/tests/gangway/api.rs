//! The agent's API as `curl --unix-socket` sees it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use crate::house::{House, SOON};

fn send(house: &House, request: &str, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(house.socket()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

pub(crate) fn ask(house: &House, request: &str, body: &str) -> (u16, Value) {
    let mut answer = String::new();
    send(house, request, body)
        .read_to_string(&mut answer)
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head[9..12].parse().unwrap(),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

#[test]
fn what_is_not_understood_is_said_with_its_status() {
    let house = House::new();
    let _agent = house.agent();
    for (request, body, status, code) in [
        ("GET /v1/nothing", "", 404, "no_such_request"),
        ("PUT /v1/settings", "{", 400, "bad_request"),
        ("PUT /v1/settings", "{\"mdoe\":1}", 400, "bad_request"),
        (
            "PUT /v1/settings",
            "{\"upstream\":\"http://a\\nb:1\"}",
            422,
            "setting_refused",
        ),
        (
            "POST /v1/apply",
            "{\"plan\":\"of yesterday\"}",
            409,
            "plan_stale",
        ),
        ("GET /v1/explain", "", 400, "bad_request"),
    ] {
        let (said, problem) = ask(&house, request, body);
        assert_eq!(
            (said, problem["code"].as_str()),
            (status, Some(code)),
            "{request} {body}"
        );
        super::schemas::assert_valid("problem", &problem);
    }
    let (status, problem) = ask(&house, "PUT /v1/settings", &" ".repeat((1 << 20) + 1));
    assert_eq!(
        (status, problem["code"].as_str()),
        (413, Some("body_too_long"))
    );
}

#[test]
fn events_tell_the_picture_at_once_and_at_every_change() {
    let house = House::new();
    let mut agent = house.agent();
    // At rest: from here on nothing changes by itself.
    agent.until("the relay listens", |status| {
        status["engine"]["listening"] != serde_json::json!([])
    });
    let mut lines = BufReader::new(send(&house, "GET /v1/events", "")).lines();
    let deadline = Instant::now() + SOON;
    let mut next = || {
        loop {
            let line = lines.next().unwrap().unwrap();
            // Comments keep the connection alive for ever.
            assert!(Instant::now() < deadline, "no such event; last: {line}");
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str::<Value>(data).unwrap();
            }
        }
    };
    let first = next();
    super::schemas::assert_valid("status", &first);
    assert_eq!(first["mode"], "system");
    house.json(&["off"], 0, "settings");
    while next()["mode"] != "off" {}
}

#[test]
fn a_script_of_a_refused_change_is_not_kept() {
    let house = House::new();
    let _agent = house.agent();
    let scripts = || -> Vec<PathBuf> {
        let folder = house.settings_file();
        let files = std::fs::read_dir(folder.parent().unwrap()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let is_script = |file: &PathBuf| file.extension().is_some_and(|is| is == "pac");
        let mut names: Vec<PathBuf> = files.filter(is_script).collect();
        names.sort();
        names
    };
    let script =
        |proxy: &str| format!("function FindProxyForURL() {{ return 'PROXY {proxy}:1'; }}");
    let change = |script: &str, upstream: &str| {
        let change = serde_json::json!({ "pac_text": script, "upstream": upstream });
        ask(&house, "PUT /v1/settings", &change.to_string()).0
    };
    assert_eq!(change(&script("a"), "http://a.test:1"), 200);
    let kept = scripts();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(change(&script("b"), "http://a\nb:1"), 422);
    assert_eq!(scripts(), kept);
    // The next has a name of its own, and takes the place of the one before.
    assert_eq!(change(&script("b"), "http://a.test:1"), 200);
    let new = scripts();
    assert!(new.len() == 1 && new != kept, "{new:?}");
}

#[test]
fn a_change_is_carried_through_though_nobody_waits_for_the_answer() {
    let house = House::new();
    house.mirror_into_cli("http://corp.test:8080");
    let _agent = house.agent();
    let applied = house.run(&["apply", "--yes"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    let settings = || std::fs::read_to_string(house.settings_file()).unwrap();
    assert!(!settings().contains("docker-cli"), "{}", settings());
    // Somebody else changes this machine just now: the agent waits for them, and nobody for the agent.
    let lock = house.home().join(".local/state/gangway/journal.lock");
    let held = std::fs::File::create(lock).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let asked = send(&house, "POST /v1/undo?target=docker-cli", "");
    let applied = std::fs::read(house.docker_config()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(asked);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(std::fs::read(house.docker_config()).unwrap(), applied);
    drop(held);
    let begun = Instant::now();
    // Given back, and left alone by the next `apply`.
    while !settings().contains("docker-cli") {
        assert!(begun.elapsed() < SOON, "{}", settings());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
