//! What systemd is told while one engine takes the place of another.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::program::{Program, serves, spawn};
use crate::until;

/// What systemd would listen at. Whoever tells it something waits until it reads.
fn full_notify_socket(path: &Path) -> UnixDatagram {
    let systemd = UnixDatagram::bind(path).expect("bound");
    systemd.set_nonblocking(true).expect("set");
    loop {
        // Each has a send buffer of its own, so that the queue is what is full.
        let sender = UnixDatagram::unbound().expect("a socket");
        sender.set_nonblocking(true).expect("set");
        match sender.send_to(b"STATUS=", path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return systemd,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_of_the_old_engine_again_when_the_new_one_came_too_late() {
    const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];
    let first = Program::start(&[]).await;
    let control = first.control();
    let folder = tempfile::tempdir().expect("folder");
    // One that has followed another: whose control socket the kernel calls the first one's.
    let log = folder.path().join("log");
    let under = format!("exec \"$0\" \"$@\" 2>{}", log.display());
    let mut old = spawn(&["sh", "-c", &under], "take-over", &control, &LISTEN);
    serves(&control, old.pid()).await;
    let socket = folder.path().join("notify");
    let systemd = full_notify_socket(&socket);
    let notify = format!("NOTIFY_SOCKET={}", socket.display());
    let mut new = spawn(&["env", &notify], "take-over", &control, &LISTEN);
    until("the old one waits no longer", async || {
        let log = std::fs::read_to_string(&log).expect("a log");
        log.contains("not handed over").then_some(())
    })
    .await;
    let mut told = Vec::new();
    let ended = until("the new one ends", async || {
        let ended = new.ended();
        let mut text = [0; 256];
        while let Ok(length) = systemd.recv(&mut text) {
            told.push(String::from_utf8_lossy(&text[..length]).into_owned());
        }
        ended
    })
    .await;
    assert_eq!(ended.code(), Some(1));
    told.retain(|state| state.starts_with("MAINPID="));
    let first_told = format!("MAINPID={}\nREADY=1", new.pid());
    assert_eq!(told, [first_told, format!("MAINPID={}", old.pid())]);
    assert_eq!(old.ended(), None);
    assert_eq!(serves(&control, old.pid()).await.pid, old.pid());
}
