//! What is shown of a connection: whose it is, and where it went.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use proxy_engine::config::Policy;
use proxy_engine::control::client::Client as Asking;
use proxy_engine::control::{Connection, Process, Who};
use proxy_engine::engine::Engine;
use tokio::io::AsyncReadExt;

use crate::client::{Client, get};
use crate::peer::{Peer, scripted};
use crate::program::Program;
use crate::{DEADLINE, engine, through, until};

/// A client that is a process of its own, of the user `uid`, and waits for its answer.
struct Waiting(Child);

impl Waiting {
    fn of(uid: u32, relay: SocketAddr, url: &str) -> Self {
        let mut command = Command::new("setpriv");
        command
            .args([&format!("--reuid={uid}"), "--clear-groups", "curl", "-s"])
            .args(["-p", "-x", &format!("http://{relay}"), url])
            .stdin(Stdio::null());
        Self(command.spawn().expect("setpriv and curl"))
    }

    /// Whose its connection is.
    fn is(&self, uid: u32, user: Option<&str>) -> Who {
        Who::Local {
            uid,
            user: user.map(str::to_owned),
            process: Some(Process {
                pid: self.0.id(),
                program: "curl".into(),
            }),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An origin that never answers, and leaves when its client does; its URL.
async fn silent() -> String {
    scripted(|mut client| async move {
        let mut heard = [0; 1024];
        while let Ok(1..) = client.stream.read(&mut heard).await {}
    })
    .await
}

/// What the engine shows once it has a route for a connection.
async fn shown(engine: &Engine) -> Connection {
    let list = || {
        engine
            .connections()
            .into_iter()
            .find(|c| c.dialled.is_some())
    };
    until("a connection has its way", || list().is_some()).await;
    list().expect("it lives")
}

#[tokio::test]
async fn a_local_client_is_shown_with_its_process_and_its_user() {
    let origin = silent().await;
    for (uid, user) in [(0, Some("root")), (65_533, None)] {
        let (engine, relay) = engine(Policy::direct("test")).await;
        let client = Waiting::of(uid, relay, &origin);
        let seen = shown(&engine).await;
        assert_eq!(seen.who, Some(client.is(uid, user)));
        assert_eq!(seen.local, Some(relay));
        // It is known after its end, too.
        let id = seen.id;
        drop(client);
        until("it has ended", || engine.status().connections.open == 0).await;
        let ended = engine.connections().into_iter().find(|c| c.id == id);
        assert_eq!(ended.expect("it is remembered").who, seen.who);
    }
}

#[tokio::test]
async fn an_engine_without_privilege_shows_the_user_of_a_process_that_is_not_its_own() {
    let program = Program::start(1024).await;
    let origin = silent().await;
    let client = Waiting::of(0, program.relay, &origin);
    let asking = Asking::new(program.control());
    let seen = async {
        loop {
            let list = asking.connections().await.expect("list");
            // Those that looked whether it serves have gone.
            if let Some(seen) = list.into_iter().find(|c| c.dialled.is_some()) {
                return seen;
            }
        }
    };
    let seen = tokio::time::timeout(DEADLINE, seen).await.expect("in time");
    let wanted = Who::Local {
        uid: 0,
        user: Some("root".into()),
        process: None,
    };
    assert_eq!(seen.who, Some(wanted), "{:?}", client.0);
}

#[tokio::test]
async fn the_address_that_was_dialled_stands_beside_the_name() {
    let (near, proxy) = (Peer::named("near").await, Peer::named("proxy").await);
    let (engine, relay) = engine(through(&[
        "http://127.0.0.1:9".into(),
        proxy.url().replace("127.0.0.1", "localhost"),
    ]))
    .await;
    let newest = || engine.connections().into_iter().max_by_key(|c| c.id);
    let newest = || newest().expect("a connection");
    let mut kept = Client::connect(relay).await;
    for (url, dialled) in [
        (format!("{}/", near.url()), near.address),
        ("http://a.test/".into(), proxy.address),
        (format!("{}/", near.url()), near.address),
    ] {
        assert_eq!(kept.ask(get(&url)).await.status(), 200);
        let seen = newest();
        assert_eq!(seen.dialled, Some(dialled), "{url}: {seen:?}");
    }
    let to = near.address.port();
    for (authority, dialled) in [
        ("b.test:443".to_owned(), proxy.address),
        (format!("localhost:{to}"), near.address),
    ] {
        let mut tunnel = Client::connect(relay).await;
        let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(tunnel.ask(connect).await.status(), 200);
        let seen = newest();
        assert_eq!(seen.name.as_deref(), Some(authority.as_str()));
        assert_eq!(seen.dialled, Some(dialled));
    }
    // Where a request goes nowhere, the address of the one before is not shown as its own.
    engine
        .swap_policy(Policy::direct("home"))
        .await
        .expect("swap");
    let mut last = Client::connect(relay).await;
    assert_eq!(
        last.ask(get(&format!("{}/", near.url()))).await.status(),
        200
    );
    assert_eq!(last.ask(get("http://127.0.0.1:9/")).await.status(), 502);
    assert_eq!(newest().dialled, None);
}
