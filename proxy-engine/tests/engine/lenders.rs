//! Who may speak to the engine: threads of this process connect as other users (root needed).

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use proxy_engine::config::EngineConfig;
use proxy_engine::control::client::Client;
use proxy_engine::control::server::Server;
use proxy_engine::engine::Engine;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

use crate::{DEADLINE, through};

/// A user of no database, as a directory's users are.
const SOMEBODY: u32 = 42_424;
/// A group of every Linux, and its number.
const GROUP: (&str, u32) = ("daemon", 1);

struct Service {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Service {
    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }
}

/// An engine in a folder that everybody may enter, its socket open to [`GROUP`], not served yet.
async fn bound() -> (Service, Server) {
    let folder = tempfile::tempdir().expect("folder");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("mode");
    let engine = Engine::start(EngineConfig::default());
    let engine = engine.await.expect("engine");
    let service = Service { folder, engine };
    let server = Server::bind(&service.socket()).await.expect("socket");
    (service, server.open_to(GROUP.0.into()).expect("mode"))
}

async fn served() -> Service {
    let (service, server) = bound().await;
    tokio::spawn(server.serve(service.engine.clone()));
    service
}

/// Connects as [`SOMEBODY`] with these groups beside their own.
fn connect(socket: &Path, groups: &[u32]) -> UnixStream {
    connect_in(SOMEBODY, socket, groups)
}

/// The same with another primary group.
fn connect_in(primary: u32, socket: &Path, groups: &[u32]) -> UnixStream {
    let socket = socket.to_owned();
    let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    // Groups and users are a thread's own to the kernel; this one ends with what it has taken.
    let thread = std::thread::spawn(move || {
        let (user, group) = (Uid::from_raw(SOMEBODY), Gid::from_raw(primary));
        set_thread_groups(&groups).expect("this test needs root");
        set_thread_res_gid(group, group, group).expect("group");
        set_thread_res_uid(user, user, user).expect("user");
        let stream = std::os::unix::net::UnixStream::connect(socket).expect("connected");
        stream.set_nonblocking(true).expect("mode");
        stream
    });
    UnixStream::from_std(thread.join().expect("thread")).expect("stream")
}

async fn ask(mut stream: UnixStream, request: &str, body: &str) -> String {
    let head = format!(
        "{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("head");
    stream.write_all(body.as_bytes()).await.expect("body");
    read(stream).await
}

async fn read(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer));
    ended.await.expect("in time").expect("read");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_stranger_hears_what_to_do_and_changes_nothing() {
    let service = served().await;
    let before = service.engine.status();
    let policy = serde_json::to_string(&through(&["http://evil.test:1".into()])).expect("JSON");
    for (request, body) in [
        ("GET /v1/status", ""),
        ("GET /v1/connections", ""),
        ("PUT /v1/policy", policy.as_str()),
        ("POST /v1/attach?user=root", ""),
        (
            "PUT /v1/credentials",
            "{\"lease\":\"x\",\"password\":\"canary\"}",
        ),
    ] {
        let answer = ask(connect(&service.socket(), &[]), request, body).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{request}: {answer}");
        assert!(answer.contains("\"engine_not_yours\""), "{answer}");
        assert!(
            answer.contains("gpasswd -a") && answer.contains(GROUP.0),
            "{answer}"
        );
        assert!(!answer.contains("canary"), "{answer}");
    }
    assert_eq!(service.engine.status(), before);
}

#[tokio::test]
async fn a_member_by_the_kernels_word_is_served() {
    let service = served().await;
    // More groups than fit at first.
    let many: Vec<u32> = (50_000..50_200).chain([GROUP.1]).collect();
    for stream in [
        connect(&service.socket(), &[GROUP.1]),
        connect(&service.socket(), &many),
        connect_in(GROUP.1, &service.socket(), &[]),
    ] {
        let answer = ask(stream, "GET /v1/status", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// Connects as a stranger; the same process is in the group when it asks.
const CLIMBER: &str = r#"
import os, socket, sys
path, user, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, 0)
stream = socket.socket(socket.AF_UNIX)
stream.connect(path)
os.setresuid(0, 0, 0)
os.setgroups([group])
print("connected", flush=True)
stream.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
print(stream.recv(64).split(b"\r\n")[0].decode())
"#;

#[tokio::test]
async fn groups_taken_after_connecting_do_not_count() {
    let (service, server) = bound().await;
    let mut climber = Command::new("python3");
    climber
        .args(["-c", CLIMBER])
        .arg(service.socket())
        .args([SOMEBODY.to_string(), GROUP.1.to_string()])
        .stdout(Stdio::piped());
    let mut climber = climber.kill_on_drop(true).spawn().expect("python3");
    let mut said = BufReader::new(climber.stdout.take().expect("piped")).lines();
    let mut next = async || {
        let line = tokio::time::timeout(DEADLINE, said.next_line()).await;
        line.expect("in time").expect("text").unwrap_or_default()
    };
    assert_eq!(next().await, "connected");
    tokio::spawn(server.serve(service.engine.clone()));
    assert_eq!(next().await, "HTTP/1.1 403 Forbidden");
}

#[tokio::test]
async fn strangers_who_say_nothing_are_few_and_keep_nobody_out() {
    let service = served().await;
    let silent: Vec<UnixStream> = (0..16).map(|_| connect(&service.socket(), &[])).collect();
    assert_eq!(read(connect(&service.socket(), &[])).await, "");
    let open = |stream: &UnixStream| {
        let mut byte = [0];
        stream.try_read(&mut byte).map_err(|error| error.kind())
    };
    // The one too many was not answered late, but never.
    for stream in &silent {
        assert_eq!(open(stream), Err(ErrorKind::WouldBlock));
    }
    let client = Client::new(service.socket());
    client.status().await.expect("root is served");
    // In the end they make room for others.
    for stream in silent {
        assert_eq!(read(stream).await, "");
    }
    let answer = ask(connect(&service.socket(), &[]), "GET /", "").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}
