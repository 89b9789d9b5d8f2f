//! The agent's API as `curl --unix-socket` sees it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
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
