//! `gangway connections`: who is connected, whereto, which way and why.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::agent::relay;
use crate::house::{House, SOON};
use crate::origin::Recorder;
use crate::schemas::assert_valid;

/// A tunnel of this process, open until it is dropped.
fn tunnel(relay: SocketAddr, to: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(relay).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream
}

/// What this process calls itself: as long as the kernel keeps it.
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap();
    name.trim_end().to_owned()
}

fn is_this_process(connection: &Value) -> bool {
    connection["who"]["pid"] == json!(std::process::id())
}

/// A running `gangway connections --watch --json`; killed when dropped.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(house: &House) -> Self {
        let mut command = house.command(&["connections", "--watch", "--json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended");
        let event = serde_json::from_str(&line).unwrap();
        assert_valid("connection-event", &event);
        event
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tunnel_is_shown_with_its_process_its_way_and_its_reason_while_it_is_open() {
    let house = House::new();
    let _agent = house.listening_agent();
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = origin.local_addr().unwrap();
    let open = tunnel(relay(&house), to);
    let list = house.json(&["connections"], 0, "connections");
    let connections = list["connections"].as_array().unwrap();
    let [shown] = &connections[..] else {
        panic!("{list:#}");
    };
    assert!(is_this_process(shown), "{shown:#}");
    assert_eq!(shown["who"]["user"], "root");
    assert_eq!(shown["who"]["program"], own_name());
    assert_eq!(shown["name"], to.to_string());
    assert_eq!(shown["dialled"], to.to_string());
    assert_eq!(shown["route"]["kind"], "direct");
    let reason = shown["route"]["reason"].as_str().unwrap();
    assert!(!reason.is_empty());
    let said = house.run(&["connections"]);
    for part in [
        &format!("{} (process {}", own_name(), std::process::id()),
        &format!("→ {to}"),
        reason,
        "open for",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    drop(open);
    let begun = Instant::now();
    while house.run(&["connections"]).out != "No connection is open.\n" {
        assert!(begun.elapsed() < SOON, "it is shown for ever");
    }
    let all = house.json(&["connections", "--all"], 0, "connections");
    assert_eq!(all["connections"][0]["id"], shown["id"]);
    assert!(all["connections"][0]["ended_ms"].is_u64());
    let said = house.run(&["connections", "--all"]);
    assert!(said.out.contains("ended after"), "{}", said.out);
}

#[test]
fn what_happens_is_followed_line_by_line() {
    let house = House::new();
    let agent = house.listening_agent();
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = origin.local_addr().unwrap();
    let mut watch = Watch::start(&house);
    // Whether it follows already, only a connection shows.
    let first = loop {
        drop(tunnel(relay(&house), to));
        let asked = house.json(&["connections", "--all"], 0, "connections");
        let newest = &asked["connections"][0];
        if newest["who"].is_object() {
            break watch.next();
        }
    };
    assert_eq!(first["event"], "opened");
    let open = tunnel(relay(&house), to);
    let client = open.local_addr().unwrap().to_string();
    let mut happened = Vec::new();
    let mut end_it = Some(open);
    loop {
        let event = watch.next();
        if event["connection"]["client"] != client {
            continue;
        }
        assert!(is_this_process(&event["connection"]), "{event:#}");
        happened.push(event["event"].as_str().unwrap().to_owned());
        match happened.last().unwrap().as_str() {
            "routed" if event["connection"]["dialled"] == to.to_string() => drop(end_it.take()),
            "ended" => break,
            _ => {}
        }
    }
    assert_eq!(happened.first().unwrap(), "opened");
    assert!(happened.contains(&"routed".to_owned()), "{happened:?}");
    // With the engine it ends, and says so to people.
    drop(agent);
    let mut rest = String::new();
    watch.lines.read_to_string(&mut rest).unwrap();
    assert_eq!(watch.child.wait().unwrap().code(), Some(1));
}

#[test]
fn without_an_engine_it_says_what_starts_one() {
    let house = House::new();
    let problem = house.json(&["connections"], 1, "problem");
    assert_eq!(problem["code"], "engine_absent");
    let said = house.run(&["connections", "--watch"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("gangway run"), "{}", said.err);
}

#[test]
fn a_refused_connection_is_shown_with_its_error_in_the_users_language() {
    let company = Recorder::start("the company");
    let mut house = House::new();
    house.set("https_proxy", company.url());
    let _agent = house.listening_agent();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = nobody.local_addr().unwrap();
    drop(nobody);
    let mut stream = TcpStream::connect(relay(&house)).unwrap();
    write!(stream, "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    let all = house.json(&["connections", "--all"], 0, "connections");
    let code = &all["connections"][0]["error"]["code"];
    assert_eq!(code, "origin_unreachable");
    house.set("LANG", "ja_JP.UTF-8");
    let said = house.run(&["connections", "--all"]);
    assert!(said.out.contains("ユーザー root"), "{}", said.out);
}
