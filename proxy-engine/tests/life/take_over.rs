//! One engine in the place of another: nobody notices.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use proxy_engine::control::LentCredentials;
use proxy_engine::control::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Program, serves, spawn};
use crate::{echoes, head, origin, tunnel, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_cuts_no_connection_and_refuses_none() {
    const LIVE: usize = 200;
    const STREAMS: usize = 4;
    let mut old = Program::start(&[]).await;
    let (relay, to) = (old.relay, origin().await);
    let mut live = Vec::new();
    for _ in 0..LIVE {
        live.push(tunnel(relay, to).await.expect("a tunnel"));
    }
    let (made, enough) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let (made, enough) = (Arc::clone(&made), Arc::clone(&enough));
            tokio::spawn(async move {
                while !enough.load(Relaxed) {
                    let mut fresh = tunnel(relay, to).await.expect("not one is refused");
                    echoes(&mut fresh, "fresh").await.expect("not one is cut");
                    made.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    let grown = async |by: usize| {
        let goal = made.load(Relaxed) + by;
        until("more connections", async || {
            (made.load(Relaxed) >= goal).then_some(())
        })
        .await;
    };
    grown(100).await;
    let (_new, status) = old.followed_by(&[]).await;
    assert_eq!(status.listeners[0].address, relay);
    grown(100).await;
    enough.store(true, Relaxed);
    for stream in streams {
        stream.await.expect("no failure");
    }
    for (number, stream) in live.iter_mut().enumerate() {
        let alive = echoes(stream, "still").await;
        alive.unwrap_or_else(|error| panic!("tunnel {number}: {error}"));
    }
    assert!(
        old.status().await.connections.accepted > 0,
        "by the new one"
    );
    assert_eq!(old.child.ended(), None, "it waits for its tunnels");
    drop(live);
    let ended = until("the old one ends", async || old.child.ended()).await;
    assert!(ended.success(), "{ended}");
    // The socket is the new one's now.
    assert!(old.status().await.listeners[0].error.is_none());
}

const ASKS: &[u8] =
    b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";

/// An upstream that asks for credentials, answers those who have some, and remembers the heads of those who ask.
pub(crate) async fn upstream(
    answer: &'static [u8],
) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let authority = listener.local_addr().expect("address").to_string();
    let heads = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Nothing is said on a connection that is given up.
            let Ok(asked) = head(&mut stream).await else {
                continue;
            };
            let answer = if asked.contains("Proxy-Authorization") {
                answer
            } else {
                ASKS
            };
            heard.lock().expect("heads").push(asked);
            stream.write_all(answer).await.expect("answered");
        }
    });
    (authority, heads)
}

/// An engine with alice's password for that upstream.
async fn with_password(authority: &str) -> Program {
    let folder = tempfile::tempdir().expect("folder");
    let given = folder.path().join("given");
    std::fs::write(&given, format!("{authority}\0alice\0canary\0")).expect("written");
    let under = format!("exec \"$0\" \"$@\" <{}", given.display());
    let url = format!("http://alice@{authority}");
    let arguments = ["--upstream", &url, "--credentials-fd", "0"];
    Program::start_under(&["sh", "-c", &under], &arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_and_what_is_lent_go_with_it() {
    let (authority, heads) = upstream(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let old = with_password(&authority).await;
    let (_new, status) = old.followed_by(&[]).await;
    assert_eq!(status.policy.upstreams().len(), 1);
    let to = "192.0.2.1:443".parse().expect("address");
    tunnel(old.relay, to).await.expect("a tunnel");
    let heads = heads.lock().expect("heads").clone();
    // alice:canary
    let last = heads.last().expect("asked");
    assert!(last.contains("Basic YWxpY2U6Y2FuYXJ5\r\n"), "{heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_agent_is_sent_on_and_what_it_lent_serves_meanwhile() {
    let (authority, _) = upstream(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let url = format!("http://alice@{authority}");
    let old = Program::start(&["--upstream", &url]).await;
    let client = Client::new(old.control());
    let mut attached = client.attach("alice").await.expect("attached");
    let lent = LentCredentials {
        lease: attached.lease().to_owned(),
        authority,
        user: "alice".into(),
        password: "canary".into(),
        anew: false,
    };
    client.lend(&lent).await.expect("lent");
    let (_new, status) = old.followed_by(&[]).await;
    assert!(status.upstreams[0].credentials_lent);
    assert_eq!(status.attached, None);
    let to = "192.0.2.1:443".parse().expect("address");
    tunnel(old.relay, to).await.expect("a tunnel");
    let ended = async { while let Ok(Some(_)) = attached.next_status().await {} };
    let ended = tokio::time::timeout(crate::DEADLINE, ended).await;
    ended.expect("the agent is told that it is over");
    let attached = client
        .attach("alice")
        .await
        .expect("attached to the new one");
    let lease = attached.lease().to_owned();
    client
        .lend(&LentCredentials { lease, ..lent })
        .await
        .expect("lent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_not_tried_again_by_the_next_engine() {
    let (authority, heads) = upstream(ASKS).await;
    let old = with_password(&authority).await;
    let to = "192.0.2.1:443".parse().expect("address");
    tunnel(old.relay, to).await.expect_err("refused");
    let (_new, _) = old.followed_by(&[]).await;
    tunnel(old.relay, to).await.expect_err("refused");
    let tried = heads.lock().expect("heads").clone();
    let tried = tried.iter().filter(|head| head.contains("Basic "));
    assert_eq!(tried.count(), 1);
}

/// An upstream whose tunnels give back what they get.
async fn echoing_upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                head(&mut stream).await.expect("asked");
                let answer = b"HTTP/1.1 200 OK\r\n\r\n";
                stream.write_all(answer).await.expect("answered");
                let (mut read, mut write) = stream.split();
                // It ends as the client does.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn chained_engines_are_followed_one_after_the_other_and_stay_chained() {
    let folder = tempfile::tempdir().expect("folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "vm-1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").expect("written");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("mode");
    let key = key.to_str().expect("a path");
    let listens = ["--chained", "127.0.0.1:0", "--chained-keys", key];
    let url = echoing_upstream().await;
    let mut decides = Program::start(&[&["--upstream", &url][..], &listens].concat()).await;
    let at = decides.status().await.listeners[1].address;
    let chain = ["--chain", &at.to_string(), "--chain-key", key];
    let mut passes_on = Program::start(&chain).await;
    let to = "192.0.2.1:443".parse().expect("address");
    let relay = passes_on.relay;
    let mut live = tunnel(relay, to).await.expect("a tunnel");

    let (_decides, status) = decides.followed_by(&listens).await;
    assert_eq!(status.listeners[1].address, at);
    assert_eq!(status.listeners[1].error, None);
    let (_passes_on, status) = passes_on.followed_by(&chain).await;
    assert_eq!(status.listeners[0].address, relay);
    assert!(status.chain.is_some(), "{status:?}");
    echoes(&mut live, "still").await.expect("alive");
    drop(live);
    for old in [&mut decides.child, &mut passes_on.child] {
        let ended = until("the old one ends", async || old.ended()).await;
        assert!(ended.success(), "{ended}");
    }
    let mut fresh = tunnel(relay, to).await.expect("a new one");
    echoes(&mut fresh, "fresh").await.expect("alive");
    let shown = Client::new(decides.control()).status().await;
    assert_eq!(shown.expect("a status").connections.open, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_fails_changes_nothing() {
    let old = Program::start(&[]).await;
    let to = origin().await;
    let mut live = tunnel(old.relay, to).await.expect("a tunnel");
    // It gets all that there is, and goes away before it says that it serves.
    let half = tokio::net::UnixStream::connect(old.control())
        .await
        .expect("connected");
    let mut half = tokio::io::BufReader::new(half);
    half.write_all(
        b"POST /v1/hand-over HTTP/1.1\r\nHost: engine\r\nConnection: upgrade\r\n\
          Upgrade: gangway-hand-over\r\n\r\n",
    )
    .await
    .expect("asked");
    let mut heading = String::new();
    while heading != "\r\n" {
        heading.clear();
        let read = tokio::io::AsyncBufReadExt::read_line(&mut half, &mut heading).await;
        assert!(read.expect("an answer") > 0);
    }
    half.write_all(b"1").await.expect("sent");
    let length = tokio::io::AsyncReadExt::read_u32(&mut half).await;
    assert!(length.expect("a length") > 0);
    drop(half);
    echoes(&mut live, "still").await.expect("alive");
    tunnel(old.relay, to).await.expect("a new one");
    assert!(!old.status().await.draining);
    // And the next one finds all of it.
    let (_new, status) = old.followed_by(&[]).await;
    assert_eq!(status.listeners[0].address, old.relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_taken_and_says_its_first_word_later_is_served() {
    let engine = Program::start(&[]).await;
    let early = TcpStream::connect(engine.relay).await;
    let mut early = early.expect("connected");
    until("it is taken", async || {
        (engine.status().await.connections.open == 1).then_some(())
    })
    .await;
    let (_next, _) = engine.followed_by(&[]).await;
    let to = origin().await;
    let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    early.write_all(connect.as_bytes()).await.expect("sent");
    let answer = head(&mut early).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    echoes(&mut early, "by the old engine")
        .await
        .expect("carried");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_its_own_user_and_root_takes_its_place() {
    // Of a group whose members may speak.
    let engine = Program::start(&["--control-group", "root"]).await;
    let control = engine.control();
    let folder = control.parent().expect("a folder");
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("mode");
    let ask = |uid: u32, control: &Path| {
        let asked = Command::new("setpriv")
            .args([&format!("--reuid={uid}"), "--regid=0", "--clear-groups"])
            .args([
                "curl",
                "-s",
                "--max-time",
                "5",
                "-X",
                "POST",
                "--unix-socket",
            ])
            .arg(control)
            .args([
                "-H",
                "Connection: upgrade",
                "-H",
                "Upgrade: gangway-hand-over",
            ])
            .arg("http://engine/v1/hand-over")
            .output()
            .expect("setpriv and curl");
        String::from_utf8_lossy(&asked.stdout).into_owned()
    };
    let told = ask(65534, &control);
    assert!(told.contains("not_the_engines_user"), "{told}");
    assert!(!engine.status().await.draining);
}

/// A process that is nobody's child here; it ends with the test.
struct Grandchild(Pid);

impl Drop for Grandchild {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_by_a_signal_it_starts_its_own_successor() {
    let mut old = Program::start(&[]).await;
    let to = origin().await;
    let mut live = tunnel(old.relay, to).await.expect("a tunnel");
    let before = old.child.pid();
    old.child.signal(Signal::USR2);
    let pid = until("a successor", async || {
        let status = old.status().await;
        (status.pid != before).then_some(status.pid)
    })
    .await;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _successor = Grandchild(pid.expect("a process"));
    echoes(&mut live, "still").await.expect("alive");
    tunnel(old.relay, to).await.expect("a new one");
    drop(live);
    let ended = until("the old one ends", async || old.child.ended()).await;
    assert!(ended.success(), "{ended}");
    tunnel(old.relay, to).await.expect("a new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_to_be_followed_it_begins_by_itself() {
    let folder = tempfile::tempdir().expect("folder");
    let control = folder.path().join("engine.sock");
    let child = spawn(&[], "take-over", &control, &["--listen", "127.0.0.1:0"]);
    let status = serves(&control, child.pid()).await;
    tunnel(status.listeners[0].address, origin().await)
        .await
        .expect("a tunnel");
}
