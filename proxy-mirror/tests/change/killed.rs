//! A process that is killed at whichever system call leaves the old file or the new one, and an
//! exact way back: the real `gangway helper` on a root of its own, under strace.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proxy_mirror::change::Fingerprint;
use serde_json::json;

use crate::sandbox::{DAEMON_JSON, Sandbox};

/// A request that writes a file which is there and one which is not.
fn apply() -> String {
    let keys = |proxy: &str| json!([[["proxies", "http-proxy"], proxy]]);
    let errand = |change: serde_json::Value, seen: Option<Fingerprint>| json!({"change": change, "restarts": [], "seen": seen});
    json!({"do": "carry_out", "errands": [
        errand(
            json!({
                "change": "set_json_keys",
                "file": {"file": "docker_daemon_json"},
                "keys": keys("http://127.0.0.1:3182"),
            }),
            Some(Fingerprint::of(DAEMON_JSON.as_bytes())),
        ),
        errand(
            json!({
                "change": "write_environment_drop_in",
                "file": {"file": "docker_drop_in"},
                "environment": [["HTTP_PROXY", "http://127.0.0.1:3182"]],
            }),
            None,
        ),
    ]})
    .to_string()
}

const UNDO: &str = r#"{"do":"undo"}"#;

/// A machine whose programs are this one's, and whose files are its own.
fn machine() -> Sandbox {
    let machine = Sandbox::new();
    for folder in ["usr", "proc", "var/lib"] {
        std::fs::create_dir_all(machine.root().join(folder)).unwrap();
    }
    for name in ["bin", "lib", "lib64"] {
        symlink(Path::new("usr").join(name), machine.root().join(name)).unwrap();
    }
    machine.write("gangway", "");
    machine.write("etc/docker/daemon.json", DAEMON_JSON);
    machine
}

/// Runs the helper there, below `tracer`, in a mount namespace of its own.
fn helper(machine: &Sandbox, request: &str, tracer: &[String]) -> Output {
    // `$0` is the root, `$1` the program, the rest what runs it.
    let script = "mount --make-rprivate / && mount --bind /usr \"$0/usr\" && \
                  mount --bind /proc \"$0/proc\" && mount --bind \"$1\" \"$0/gangway\" && \
                  shift && exec \"$@\" chroot \"$0\" /gangway helper";
    let mut child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(machine.root())
        .arg(env!("CARGO_BIN_EXE_gangway"))
        .arg("env")
        .args(tracer)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`unshare` must be installed: apt-get install util-linux");
    // One that is killed at once reads nothing.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    child.wait_with_output().unwrap()
}

fn strace(log: &Path, more: &[String]) -> Vec<String> {
    let log = log.display().to_string();
    let words = ["strace", "-qq", "-y", "-o", log.as_str()].map(str::to_owned);
    [&words[..], more].concat()
}

/// The calls of an undisturbed run from the first byte of the request on, in order: name, its
/// number among those of its name, and the line.
fn calls(request: &str) -> Vec<(String, usize, String)> {
    let machine = machine();
    let log = machine.root().join("../trace");
    let output = helper(&machine, request, &strace(&log, &[]));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("done"),
        "{output:?}"
    );
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    let mut begun = false;
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let Some((name, _)) = line.split_once('(') else {
            continue;
        };
        let number = counts.entry(name.to_owned()).or_default();
        *number += 1;
        begun |= name == "read" && line.contains("\\\"do\\\"");
        if begun {
            calls.push((name.to_owned(), *number, line.to_owned()));
        }
    }
    assert!(calls.len() > 20, "the trace was read: {calls:?}");
    calls
}

#[test]
fn a_kill_at_any_system_call_of_an_apply_leaves_old_or_new_and_an_exact_undo() {
    let request = apply();
    let before = machine().files();
    let after = {
        let machine = machine();
        helper(&machine, &request, &[]);
        machine.files()
    };
    let mut killed = 0;
    for (name, number, line) in calls(&request) {
        let machine = machine();
        let inject = format!("inject={name}:signal=KILL:when={number}");
        let log = machine.root().join("../trace");
        let output = helper(&machine, &request, &strace(&log, &["-e".into(), inject]));
        if output.status.signal() == Some(9) || output.status.code() == Some(137) {
            killed += 1;
        }
        let now = machine.files();
        for file in [
            "etc/docker/daemon.json",
            "etc/systemd/system/docker.service.d/gangway.conf",
        ] {
            let file = PathBuf::from(file);
            let found = now.get(&file);
            assert!(
                found == before.get(&file) || found == after.get(&file),
                "neither old nor new after a kill at {line}: {found:?}"
            );
        }
        let undone = helper(&machine, UNDO, &[]);
        assert!(undone.status.success(), "{undone:?}");
        assert_eq!(machine.files(), before, "after a kill at {line}");
    }
    assert!(killed > 20, "only {killed} runs were killed");
}

#[test]
fn the_journal_comes_first_then_write_sync_rename_and_sync_of_the_folder() {
    let calls = calls(&apply());
    let at = |what: &str, call: &str, part: &str, from: usize| {
        calls
            .iter()
            .skip(from)
            .position(|(name, _, line)| name.starts_with(call) && line.contains(part))
            .map_or_else(
                || panic!("no {what} behind call {from}: {calls:#?}"),
                |position| from + position,
            )
    };
    let mut from = 0;
    for (file, folder) in [
        (".daemon.json.gangway-new", "/etc/docker>"),
        (".gangway.conf.gangway-new", "/docker.service.d>"),
    ] {
        let noted = at(
            "rename into the journal",
            "rename",
            "/var/lib/gangway/journal",
            from,
        );
        let kept = at(
            "sync of the journal",
            "fsync",
            "/var/lib/gangway/journal>",
            noted,
        );
        let written = at("write", "write", file, kept);
        let synced = at("sync of the file", "fsync", file, written);
        let renamed = at("rename", "rename", file, synced);
        from = at("sync of the folder", "fsync", folder, renamed);
        let early = calls[..noted]
            .iter()
            .any(|(name, _, line)| name == "write" && line.contains(file));
        assert!(!early, "{file} was begun before the journal knew of it");
    }
}
