//! The control API from end to end, through its client.

use std::path::PathBuf;

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
    let mut long = String::from("{\"x\":\"");
    long.push_str(&"y".repeat(2 * 1024 * 1024));
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
        ("PUT", "/v1/policy", long.as_str(), "422"),
        (
            "PUT",
            "/v1/credentials",
            "{\"lease\":\"x\",\"password\":\"canary\"}",
            "422",
        ),
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
async fn the_socket_is_for_its_owner_and_group_and_a_dead_one_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let service = service().await;
    let meta = std::fs::metadata(service.socket()).expect("socket");
    assert_eq!(meta.permissions().mode() & 0o777, 0o660);
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
