//! A new engine in the place of the old one, beside one broker.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde_json::Value;
use testbed::net::ORIGIN;
use testbed::wait_for;

use crate::commands::{NOBODY, PROGRAM, spawn, speak_from, start_broker, start_engine_as, status};
use crate::road::{Road, SOON};

/// A connection to the control socket that stays with the engine that accepted it.
struct Kept(BufReader<UnixStream>);

impl Kept {
    fn open(folder: &Path) -> Self {
        let stream = UnixStream::connect(folder.join("engine.sock")).expect("an engine");
        stream.set_read_timeout(Some(SOON)).expect("an option");
        Self(BufReader::new(stream))
    }

    fn status(&mut self) -> Value {
        let ask = b"GET /v1/status HTTP/1.1\r\nHost: engine\r\n\r\n";
        self.0.get_mut().write_all(ask).expect("asked");
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("an answer") > 0);
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().expect("a number");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = NOBODY.parse().ok();
    std::os::unix::fs::chown(folder.path(), nobody, nobody).expect("a folder for the engine");
    folder
}

fn accepted(status: &Value) -> u64 {
    status["connections"]["accepted"].as_u64().expect("a count")
}

#[test]
fn an_upgrade_leaves_no_gap_in_what_is_captured() {
    let road = Road::new();
    let folder = folder();
    let _broker = start_broker(&road, &folder.path().join("broker.sock"));
    let old = start_engine_as(&road, folder.path(), "run");
    let on = || {
        status(folder.path())
            .contains(r#""interception":{"kind":"on""#)
            .then_some(())
    };
    wait_for("interception", 2 * SOON, on).expect("in force");
    let table = road.tables();
    let mut of_old = Kept::open(folder.path());
    assert_eq!(of_old.status()["pid"], old.pid());
    // For this one the old engine stays.
    let held = speak_from(&road.corp.pod, (ORIGIN, 80), b"\0\n");
    let (made, enough) = (AtomicU64::new(1), AtomicBool::new(false));
    let more = || {
        let goal = made.load(Relaxed) + 20;
        let grown = || (made.load(Relaxed) >= goal).then_some(());
        wait_for("more connections", 2 * SOON, grown).expect("captured");
    };
    let new = std::thread::scope(|scope| {
        let dialling = scope.spawn(|| {
            while !enough.load(Relaxed) {
                let (_, answered) = speak_from(&road.corp.pod, (ORIGIN, 80), b"\0\n");
                assert_eq!(answered, "origin");
                made.fetch_add(1, Relaxed);
            }
        });
        more();
        let new = start_engine_as(&road, folder.path(), "take-over");
        let answers = || {
            let status: Value = serde_json::from_str(&status(folder.path())).ok()?;
            let ready = status["pid"] == new.pid() && status["interception"]["kind"] == "on";
            ready.then_some(())
        };
        wait_for("the new engine", 2 * SOON, answers).expect("in its place");
        assert_eq!(road.tables(), table, "the same table all along");
        more();
        enough.store(true, Relaxed);
        dialling.join().expect("not one fails");
        new
    });
    let both = accepted(&of_old.status()) + accepted(&Kept::open(folder.path()).status());
    assert_eq!(both, made.load(Relaxed), "each went through an engine");
    drop(held);
    // The broker knows the new one alone: with it goes what it asked for.
    new.kill();
    let released = || road.tables().is_empty().then_some(());
    wait_for("the release", 2 * SOON, released).expect("released");
}

#[test]
fn an_engine_that_holds_the_rules_itself_keeps_its_place() {
    let road = Road::new();
    let folder = tempfile::tempdir().expect("a folder");
    let start = |what: &str| {
        let mut engine = road.corp.node.command(PROGRAM);
        engine.args([what, "--transparent", "0.0.0.0:3183"]);
        engine.args(["--intercept", "br-pods", "--control"]);
        engine.arg(folder.path().join("engine.sock"));
        engine
    };
    let _old = spawn(start("run"));
    let on = || {
        status(folder.path())
            .contains(r#""interception":{"kind":"on""#)
            .then_some(())
    };
    wait_for("interception", 2 * SOON, on).expect("in force");
    let mut second = start("take-over");
    second.stdout(std::process::Stdio::null());
    second.stderr(std::process::Stdio::piped());
    let second = testbed::Child::spawn(second).expect("a second engine");
    let ended = second.output(2 * SOON).expect("its end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        !ended.status.success() && said.contains("run it with a broker"),
        "{said}"
    );
    on().expect("as before");
}
