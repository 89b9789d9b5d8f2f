//! What the `proxy-engine` program says and does when it is typed.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn engine(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxy-engine"));
    command.arg("run").args(args).stdin(Stdio::null());
    command
}

fn fails(args: &[&str]) -> (i32, String) {
    let mut command = engine(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    // One that serves instead is not waited for, and holds its port no longer than this.
    let engine = testbed::Child::spawn(command).expect("it runs");
    let ended = engine.output(Duration::from_secs(20));
    let Output { status, stderr, .. } = ended.expect("it ends by itself");
    (
        status.code().expect("no signal ended it"),
        String::from_utf8(stderr).expect("text"),
    )
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_in_use_ends_it_with_the_name_of_the_holder() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = holder.local_addr().expect("address").to_string();
    let (code, said) = fails(&["--listen", &address]);
    assert_eq!(code, 1);
    let pid = format!("(process {})", std::process::id());
    assert!(
        said.contains(&format!("{address} is in use by")) && said.contains(&pid),
        "{said}"
    );
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let (code, said) = fails(&["--upstream", "http://alice:canary@proxy.test:3128"]);
    assert_eq!(code, 2);
    assert!(
        said.contains("--credentials-fd") && !said.contains("gangway login"),
        "an engine by itself knows no login: {said}"
    );
    assert!(!said.contains("canary"), "{said}");
    let (_, said) = fails(&["--upstream", "http://canary\n@proxy.test:3128"]);
    assert!(
        said.contains("control character") && !said.contains("canary"),
        "{said}"
    );
}

#[test]
fn a_wrong_flag_is_wrong_usage() {
    for args in [
        &["--ports", "0"][..],
        &["--intercept", "a/b"],
        &["--listen", "x"],
        &["--upstream", "ftp://proxy.test:1"],
        &["--control-group", "x"],
        &["--config", "a", "--log", "text"],
    ] {
        assert_eq!(fails(args).0, 2, "{args:?}");
    }
}

#[test]
fn flags_that_would_do_nothing_are_refused_with_what_to_add() {
    for (args, advice) in [
        (&["--ports", "443"][..], "add --intercept IFACE"),
        (&["--intercept", "br0"], "add --transparent 0.0.0.0:3183"),
        (&["--credentials-fd", "99"], "--credentials-fd 99 99< FILE"),
        (&["--chain", "192.0.2.1:3184"], "--chain-key FILE"),
        (&["--chain-key", "k"], "--chain HOST:PORT"),
        (&["--chained", "127.0.0.1:0"], "--chained-keys FILE"),
        (&["--chained-keys", "k"], "--chained ADDR"),
    ] {
        let (code, said) = fails(args);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(advice), "{said}");
    }
}

#[test]
fn what_only_the_deciding_engine_can_do_is_refused_beside_chain() {
    for given in [
        &["--upstream", "http://proxy.test:3128"][..],
        &["--bypass", "*"],
        &["--credential-users", "all"],
        &["--connect-ports", "443"],
        &["--wildcard"],
    ] {
        let chain = ["--chain", "192.0.2.1:3184", "--chain-key", "k"];
        let (code, said) = fails(&[&chain, given].concat());
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains(given[0]) && said.contains("decides"),
            "{said}"
        );
    }
}

#[test]
fn a_key_that_others_can_read_ends_it_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("key");
    let key = "vm-1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
    std::fs::write(&file, key).expect("file");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&file, open).expect("mode");
    let file = file.to_str().expect("UTF-8");
    for flags in [
        ["--chain", "192.0.2.1:3184", "--chain-key", file],
        ["--chained", "127.0.0.1:0", "--chained-keys", file],
    ] {
        let (code, said) = fails(&[&["--listen", "127.0.0.1:0"], &flags[..]].concat());
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("chmod 600") && said.contains(file), "{said}");
        assert!(!said.contains("BwcH"), "{said}");
    }
}

#[test]
fn a_file_whose_values_do_not_fit_together_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("engine.toml");
    std::fs::write(&file, "ports = \"443\"\n").expect("file");
    let (code, said) = fails(&["--config", file.to_str().expect("UTF-8")]);
    assert_eq!(code, 1, "the command line is right: {said}");
    assert!(
        said.contains("engine.toml: ") && said.contains("--intercept"),
        "{said}"
    );
}

#[test]
fn a_control_socket_without_a_folder_ends_it_with_what_to_make() {
    let folder = tempfile::tempdir().expect("folder");
    let socket = folder.path().join("none/engine.sock");
    let socket = socket.to_str().expect("UTF-8");
    let (code, said) = fails(&["--listen", "127.0.0.1:0", "--control", socket]);
    assert_eq!(code, 1);
    assert!(
        said.contains(socket) && said.contains("its folder is not there; make it"),
        "{said}"
    );
}

#[test]
fn what_will_not_work_is_said_by_an_engine_that_serves_all_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().expect("UTF-8");
    for (flag, advice) in [
        (
            "--broker",
            format!("proxy-engine broker --socket {nowhere}"),
        ),
        ("--state", format!("{nowhere}: ")),
    ] {
        let mut command = engine(&["--listen", "127.0.0.1:0", flag, nowhere]);
        let mut running = Running(command.stderr(Stdio::piped()).spawn().expect("it runs"));
        let log = BufReader::new(running.0.stderr.take().expect("stderr"));
        let mut said = String::new();
        let mut warned = false;
        for line in log.lines() {
            let line = line.expect("log");
            warned |= line.contains("WARN") && line.contains(&advice);
            said.push_str(&line);
            if line.contains("listening") {
                break;
            }
        }
        assert!(warned, "{flag}: {said}");
        assert!(said.contains("listening"), "{flag}: it ended: {said}");
    }
}

#[test]
fn it_logs_json_without_secrets_serves_and_ends_well_on_sigterm() {
    let folder = tempfile::tempdir().expect("folder");
    let socket = folder.path().join("engine.sock");
    let upstream = TcpListener::bind("127.0.0.1:0").expect("bind");
    let authority = upstream.local_addr().expect("address").to_string();
    let secrets = format!("{authority}\0alice\0canary\0");
    let mut command = engine(&[
        "--listen",
        "127.0.0.1:0",
        "--log",
        "json",
        "--credentials-fd",
        "0",
    ]);
    command
        .args([
            "--upstream",
            &format!("http://alice@{authority}"),
            "--control",
        ])
        .arg(&socket);
    command
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().expect("it runs"));
    let mut stdin = running.0.stdin.take().expect("stdin");
    stdin.write_all(secrets.as_bytes()).expect("secrets");
    drop(stdin);
    let mut log = BufReader::new(running.0.stderr.take().expect("stderr"));
    let mut said = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(
            log.read_line(&mut line).expect("log") > 0,
            "it ended: {said}"
        );
        let entry: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        said.push_str(&line);
        if entry["fields"]["message"] == "listening" {
            break entry["fields"]["address"]
                .as_str()
                .expect("address")
                .to_owned();
        }
    };
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        log.read_to_string(&mut rest).expect("log");
        rest
    });
    for request in [
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic canary\r\n\r\n",
        "GET http://a.test/?canary HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Basic canary\r\n\
         Authorization: Bearer canary\r\nCookie: canary\r\n\r\n",
    ] {
        let mut client = TcpStream::connect(&address).expect("connected");
        client.write_all(request.as_bytes()).expect("sent");
        let (mut asked, _) = upstream.accept().expect("accept");
        let mut head = read_head(&mut asked);
        if !head.contains("Proxy-Authorization") {
            let how =
                b"HTTP/1.1 407 A\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n";
            asked.write_all(how).expect("sent");
            head = read_head(&mut asked);
        }
        // alice:canary
        assert!(head.contains("Basic YWxpY2U6Y2FuYXJ5\r\n"), "{head}");
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        asked.write_all(answer).expect("sent");
        drop(asked);
        let mut line = String::new();
        let mut client = BufReader::new(client);
        client.read_line(&mut line).expect("answer");
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
    }
    refused_with_userinfo(&address);
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signal");
    assert!(running.0.wait().expect("it ends").success());
    said.push_str(&rest.join().expect("log"));
    let ends = ended(&said);
    let [tunnel, plain, refused] = &ends[..] else {
        panic!("{ends:#?}");
    };
    assert_tells_all(tunnel, "a.test:443", &authority);
    assert_tells_all(plain, "a.test:80", &authority);
    assert_eq!(refused["fields"]["code"], "bad_request", "{refused}");
    assert!(refused["fields"]["error"].is_string(), "{refused}");
    assert!(
        !["canary", "Basic", "YWxpY2U6Y2FuYXJ5"]
            .iter()
            .any(|secret| said.contains(secret)),
        "{said}"
    );
    assert!(!socket.exists(), "the socket is left behind");
}

#[test]
fn a_warning_names_the_upstream_that_failed_and_no_destination() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("bind");
    let authority = upstream.local_addr().expect("address").to_string();
    let free = TcpListener::bind("127.0.0.1:0").expect("bind");
    let relay = free.local_addr().expect("address").to_string();
    drop(free);
    let mut command = engine(&["--listen", &relay, "--log", "json"]);
    command
        .args(["--upstream", &format!("http://{authority}")])
        .env("RUST_LOG", "warn")
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().expect("it runs"));
    let log = BufReader::new(running.0.stderr.take().expect("stderr"));
    let mut log = log.lines();
    for (request, answer, code) in [
        (
            "CONNECT secret.test:443 HTTP/1.1\r\nHost: secret.test\r\n\r\n",
            "HTTP/1.1 403 secret.test is on the list\r\nContent-Length: 0\r\n\r\n",
            "connect_refused",
        ),
        (
            "GET http://secret.test/ HTTP/1.1\r\nHost: secret.test\r\n\r\n",
            "secret.test?\r\n\r\n",
            "upstream_answer",
        ),
    ] {
        let mut client = connected(&relay);
        client.write_all(request.as_bytes()).expect("sent");
        let (mut asked, _) = upstream.accept().expect("accept");
        read_head(&mut asked);
        asked.write_all(answer.as_bytes()).expect("sent");
        let line = log.next().expect("a line").expect("log");
        assert!(!line.contains("secret.test"), "{line}");
        let said: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(said["level"], "WARN", "{line}");
        assert_eq!(said["fields"]["upstream"], authority.as_str(), "{line}");
        assert_eq!(said["fields"]["code"], code, "{line}");
    }
}

/// A connection to what is about to listen there.
fn connected(to: &str) -> TcpStream {
    let connect = || TcpStream::connect(to).ok();
    testbed::wait_for("it listens", Duration::from_secs(20), connect).expect("in time")
}

/// Some write the password into the address: it is refused, and nobody repeats it.
fn refused_with_userinfo(relay: &str) {
    let request = "GET http://canary:canary@b.test/ HTTP/1.1\r\nHost: canary@b.test\r\n\r\n";
    let mut client = TcpStream::connect(relay).expect("connected");
    client.write_all(request.as_bytes()).expect("sent");
    let mut line = String::new();
    let mut answer = BufReader::new(client);
    answer.read_line(&mut line).expect("answer");
    assert!(line.starts_with("HTTP/1.1 400 "), "{line}");
}

/// What the line of a connection that ended well says: all that there is to know.
fn assert_tells_all(end: &serde_json::Value, name: &str, upstream: &str) {
    assert_eq!(end["level"], "DEBUG", "it names a host: {end}");
    let fields = &end["fields"];
    assert_eq!(fields["name"], name);
    assert_eq!(fields["who"], "root");
    assert_eq!(fields["via"], "explicit");
    assert_eq!(fields["dialled"], upstream);
    let route = fields["route"].as_str().expect("route");
    assert!(
        route.starts_with(&format!("through {upstream} (")),
        "{route}"
    );
    assert!(fields["id"].is_u64() && fields["client"].is_string());
    assert!(fields["up"].as_u64() > Some(0) && fields["down"].is_u64());
    assert!(fields["started_ms"].as_u64() > Some(0) && fields["seconds"].is_f64());
    assert!(fields["error"].is_null());
}

/// The lines of connections that ended, in the order of their ids.
fn ended(log: &str) -> Vec<serde_json::Value> {
    let entries = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut ended: Vec<serde_json::Value> = entries
        .filter(|entry: &serde_json::Value| entry["fields"]["message"] == "connection ended")
        .collect();
    ended.sort_by_key(|entry| entry["fields"]["id"].as_u64());
    ended
}

/// A request's head, as it came.
fn read_head(from: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}
