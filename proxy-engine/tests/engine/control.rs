//! The control API from end to end, through its client.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proxy_engine::config::{EngineConfig, Policy};
use proxy_engine::control::LentCredentials;
use proxy_engine::control::client::{Client, ClientError};
use proxy_engine::control::server::{ServeError, Server};
use proxy_engine::engine::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::{DEADLINE, through, until};

struct Service {
    folder: tempfile::TempDir,
    engine: Engine,
    client: Client,
}

impl Service {
    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }
}

async fn service() -> Service {
    let folder = tempfile::tempdir().expect("folder");
    let engine = Engine::start(EngineConfig::default())
        .await
        .expect("engine");
    let socket = folder.path().join("engine.sock");
    let server = Server::bind(&socket).await.expect("socket");
    tokio::spawn(server.serve(engine.clone()));
    Service {
        client: Client::new(&socket),
        engine,
        folder,
    }
}

fn lent(lease: &str) -> LentCredentials {
    LentCredentials {
        lease: lease.into(),
        authority: "proxy.test:3128".into(),
        user: "alice".into(),
        password: "canary".into(),
        anew: false,
    }
}

#[tokio::test]
async fn a_policy_put_through_the_socket_is_in_force_when_it_is_answered() {
    let service = service().await;
    let policy = through(&["http://proxy.test:3128".into()]);
    service.client.set_policy(&policy).await.expect("put");
    assert_eq!(service.engine.policy(), policy);
    assert_eq!(
        service.client.status().await.expect("status").policy,
        policy
    );
    assert_eq!(service.client.connections().await.expect("list"), []);
}

#[tokio::test]
async fn what_is_lent_is_taken_back_when_the_agent_is_gone_however_it_went() {
    let service = service().await;
    service
        .client
        .set_policy(&through(&["http://alice@proxy.test:3128".into()]))
        .await
        .expect("put");
    let mut attached = service.client.attach("alice").await.expect("attached");
    let first = attached
        .next_status()
        .await
        .expect("event")
        .expect("status");
    assert_eq!(first.attached.as_deref(), Some("alice"));
    service
        .client
        .lend(&lent(attached.lease()))
        .await
        .expect("lent");
    let told = async {
        while !attached
            .next_status()
            .await
            .expect("event")
            .expect("status")
            .upstreams[0]
            .credentials_lent
        {}
    };
    tokio::time::timeout(DEADLINE, told)
        .await
        .expect("an event tells");
    service
        .client
        .take_back(attached.lease())
        .await
        .expect("taken back");
    assert!(!service.engine.status().upstreams[0].credentials_lent);
    service
        .client
        .lend(&lent(attached.lease()))
        .await
        .expect("lent");
    drop(attached);
    until("it is taken back", || {
        let status = service.engine.status();
        !status.upstreams[0].credentials_lent && status.attached.is_none()
    })
    .await;
    let refused = service.client.lend(&lent("gone")).await;
    assert!(matches!(refused, Err(ClientError::Refused(problem)) if problem.code == "no_lease"));
}

#[tokio::test]
async fn a_change_is_told_at_once() {
    let service = service().await;
    let mut attached = service.client.attach("alice").await.expect("attached");
    let begun = Instant::now();
    for turn in 0..20 {
        let cause = format!("turn {turn}");
        let policy = Policy::direct(cause.as_str());
        service.client.set_policy(&policy).await.expect("put");
        while attached
            .next_status()
            .await
            .expect("event")
            .expect("status")
            .policy
            .cause
            != cause
        {}
    }
    // With the counters alone, which are told once a second, it would take twenty.
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_second_user_is_told_who_is_attached() {
    let service = service().await;
    let _attached = service.client.attach("alice").await.expect("attached");
    match service.client.attach("bob").await {
        Err(ClientError::Refused(problem)) => assert!(problem.message.contains("alice")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_malformed_is_refused_and_changes_nothing() {
    let service = service().await;
    let before = service.engine.policy();
    // A good one, but for its length.
    let long = "y".repeat(9 * 1024 * 1024);
    let long = format!("{{\"default\":{{\"kind\":\"direct\"}},\"cause\":\"{long}\"}}");
    for (method, path, body, status) in [
        ("PUT", "/v1/policy", "{", "422"),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"direct\"},\"typo\":1}",
            "422",
        ),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"upstreams\",\"upstreams\":[]}}",
            "422",
        ),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"upstreams\",\"upstreams\":[\"http://u:canary@p:1\"]}}",
            "422",
        ),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"upstreams\",\"upstreams\":[\"http://p:1\\nX\"]}}",
            "422",
        ),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"upstreams\",\"upstreams\":[\"http://a\\nb@p:1\"]}}",
            "422",
        ),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"upstreams\",\"upstreams\":[\"http://a\\u0000b@p:1\"]}}",
            "422",
        ),
        (
            "PUT",
            "/v1/policy",
            "{\"default\":{\"kind\":\"upstreams\",\"upstreams\":[\"http://a%0ab@p:1\"]}}",
            "422",
        ),
        ("PUT", "/v1/policy", long.as_str(), "422"),
        (
            "PUT",
            "/v1/credentials",
            "{\"lease\":\"x\",\"password\":\"canary\"}",
            "422",
        ),
        (
            "PUT",
            "/v1/guests",
            "{\"lease\":\"x\",\"names\":{\"192.0.2.1\":\"canary\\u001b\"}}",
            "422",
        ),
        (
            "PUT",
            "/v1/guests",
            "{\"lease\":\"x\",\"names\":{\"canary\":\"web\"}}",
            "422",
        ),
        ("POST", "/v1/guests", "", "405"),
        ("POST", "/v1/connections/events", "", "405"),
        ("POST", "/v1/attach", "", "422"),
        ("POST", "/v1/attach?user=%0a", "", "422"),
        ("POST", "/v1/policy", "", "405"),
        ("GET", "/v2/status", "", "404"),
    ] {
        let answer = raw(&service.socket(), method, path, body).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method} {path}: {answer}"
        );
        assert!(
            answer.contains("\"code\":") && !answer.contains("canary"),
            "{answer}"
        );
    }
    assert_eq!(service.engine.policy(), before);
}

async fn raw(socket: &std::path::Path, method: &str, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("connected");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("head");
    // It may be refused before it is read.
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("in time");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone_and_a_dead_one_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let service = service().await;
    let meta = std::fs::metadata(service.socket()).expect("socket");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let taken = Server::bind(&service.socket()).await;
    assert!(matches!(taken, Err(ServeError::InUse(_))), "{taken:?}");
    let dead = service.folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("bind"));
    assert!(Server::bind(&dead).await.is_ok());
    let file = service.folder.path().join("file");
    std::fs::write(&file, "mine").expect("write");
    let refused = Server::bind(&file).await;
    assert!(
        matches!(refused, Err(ServeError::NotASocket(_))),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).expect("read"), "mine");
}

#[tokio::test]
async fn another_user_is_not_answered_even_where_the_socket_is_open() {
    use std::os::unix::fs::PermissionsExt;
    let service = service().await;
    // So that only the check of the peer can refuse.
    for (path, mode) in [(service.folder.path(), 0o755), (&*service.socket(), 0o666)] {
        let open = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, open).expect("a mode");
    }
    let group = std::fs::metadata(service.socket()).expect("socket");
    let group = std::os::unix::fs::MetadataExt::gid(&group).to_string();
    for (gid, groups) in [
        (group.as_str(), "--clear-groups"),
        ("65533", &*format!("--groups={group}")),
        ("65533", "--clear-groups"),
    ] {
        let mut ask = tokio::process::Command::new("setpriv");
        ask.args(["--reuid=65533", &format!("--regid={gid}"), groups]);
        ask.args(["curl", "-sS", "-m", "10", "http://engine/v1/status"]);
        ask.arg("--unix-socket").arg(service.socket());
        let answer = ask.output().await.expect("setpriv and curl");
        let said = String::from_utf8_lossy(&answer.stdout);
        assert!(
            said.contains("\"engine_not_yours\"") && !said.contains("\"pid\":"),
            "{gid} {groups}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_by_its_socket() {
    let client = Client::new("/nonexistent/engine.sock");
    let error = client
        .set_policy(&Policy::direct("x"))
        .await
        .expect_err("nobody");
    assert!(
        error.to_string().contains("/nonexistent/engine.sock"),
        "{error}"
    );
}
