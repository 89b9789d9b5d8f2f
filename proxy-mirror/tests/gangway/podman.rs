//! The real Podman, told the proxy by its own file in a house of the test's own.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use testbed::{Behaviour, Recorder};

use crate::house::House;

/// As somebody keeps it: comments, CRLF, a variable of their own, no newline at its end.
const CONF: &str =
    "# mine\r\n[engine]\r\nenv = ['TMPDIR=/var/tmp'] # kept\r\nevents_logger=\"file\"";

/// What Podman needs on a machine without systemd and cgroups, with storage of the house's own.
fn podman(house: &House, arguments: &[&str]) -> Command {
    let storage = |name: &str| house.home().join(name).display().to_string();
    // The house's own environment, for another program.
    let gangway = house.command(&[]);
    let mut command = Command::new("podman");
    command.env_clear();
    for (name, value) in gangway.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    // Podman looks for logins there, and the house has none.
    command.env_remove("DOCKER_CONFIG");
    command
        .args(["--root", &storage("storage"), "--runroot", &storage("run")])
        .args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs"])
        .args(arguments);
    command
}

fn run(mut command: Command) -> Output {
    command
        .output()
        .expect("podman must be installed: apt-get install podman")
}

fn out(command: Command) -> String {
    let output = run(command);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An upstream that refuses, so that nothing leaves this machine.
fn upstream() -> Recorder {
    let upstream = Recorder::on_loopback().unwrap();
    upstream.behave(Behaviour::Refuse("403 Forbidden".into()));
    upstream
}

fn with_conf(house: &House, text: &str) -> PathBuf {
    let file = house.containers_conf();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    file
}

/// From now on `podman` is the real one, behind these lines of a shell.
fn wrapped(house: &mut House, lines: &str) {
    let path = std::env::var("PATH").unwrap();
    let mut real = std::env::split_paths(&path).map(|folder| folder.join("podman"));
    let real = real.find(|file| file.is_file()).unwrap();
    let folder = house.home().join("bin");
    let program = folder.join("podman");
    fs::create_dir_all(&folder).unwrap();
    let script = format!("#!/bin/sh\n{lines}\nexec {} \"$@\"\n", real.display());
    fs::write(&program, script).unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, runs).unwrap();
    house.set("PATH", format!("{}:{path}", folder.display()));
}

fn target(status: &Value) -> &Value {
    let targets = status["targets"].as_array().unwrap();
    targets
        .iter()
        .find(|target| target["id"] == "podman")
        .unwrap()
}

fn state(house: &House, code: i32) -> (String, String) {
    let status = house.json(&["status"], code, "status");
    let target = target(&status);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let said = ["reason", "evidence"].map(|key| text(&target[key]["english"]));
    (text(&target["state"]), said.concat())
}

#[test]
fn a_pull_goes_by_the_relay_and_undo_gives_the_file_back() {
    let (house, upstream) = (House::new(), upstream());
    house.relay_to_podman(&format!("http://{}", upstream.address()));
    let file = with_conf(&house, CONF);
    let _agent = house.listening_agent();
    assert_eq!(state(&house, 4).0, "differs");
    let plan = house.json(&["plan"], 2, "plan");
    assert_eq!(fs::read_to_string(&file).unwrap(), CONF);
    assert_eq!(plan["notes"][0]["code"], "podman_loopback", "{plan:#}");
    let diff = plan["diff"].as_str().unwrap();
    assert!(
        !diff.contains("# mine"),
        "the file may hold secrets: {diff}"
    );

    house.json(&["apply", "--yes"], 0, "apply");
    let written = fs::read_to_string(&file).unwrap();
    let relay = format!("http://127.0.0.1:{}", house.relay_port);
    let kept = format!("# mine\r\n[engine]\r\nenv = ['TMPDIR=/var/tmp', \"http_proxy={relay}\"");
    assert!(written.starts_with(&kept), "{written}");
    assert!(written.contains("] # kept\r\nevents_logger=\"file\"\r\n\r\n[containers]\r\n"));
    let (is, evidence) = state(&house, 0);
    assert_eq!(is, "in_force", "{evidence}");
    assert!(evidence.contains("Podman itself") && evidence.contains(&relay));
    assert_eq!(house.json(&["plan"], 0, "plan")["steps"], json!([]));

    assert_eq!(
        upstream.lines(),
        [""; 0],
        "asking it sends nothing anywhere"
    );
    let pulled = run(podman(&house, &["pull", "registry.test/app:1"]));
    let said = String::from_utf8_lossy(&pulled.stderr);
    assert!(said.contains("Forbidden"), "{said}");
    assert_eq!(
        upstream.lines().first().unwrap(),
        "CONNECT registry.test:443"
    );

    let undone = house.json(&["undo", "podman", "--yes"], 0, "undo");
    assert_eq!(undone["restored"], json!([file.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(&file).unwrap(), CONF);
}

#[test]
fn undo_takes_only_ours_out_of_a_file_that_somebody_else_changed() {
    let house = House::new();
    house.mirror_into_podman("http://proxy.test:3128");
    let file = with_conf(&house, CONF);
    house.json(&["apply", "--yes"], 0, "apply");
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("HTTPS_PROXY=http://proxy.test:3128"),
        "{written}"
    );
    fs::write(&file, written.replace("\"file\"", "\"none\"")).unwrap();
    let undone = house.json(&["undo", "podman", "--yes"], 0, "undo");
    assert_eq!(undone["merged"], json!([file.to_str().unwrap()]));
    let left = fs::read_to_string(&file).unwrap();
    assert_eq!(left, CONF.replace("\"file\"", "\"none\""));
}

#[test]
fn what_podman_does_not_have_is_never_said_to_be_in_force() {
    let mut house = House::new();
    house.mirror_into_podman("http://proxy.test:3128");
    let file = with_conf(&house, CONF);
    house.json(&["apply", "--yes"], 0, "apply");
    assert_eq!(state(&house, 0).0, "in_force");

    // A Podman that reads other files.
    let path = std::env::var("PATH").unwrap();
    wrapped(&mut house, "export CONTAINERS_CONF=/dev/null");
    let (is, reason) = state(&house, 4);
    assert_eq!(is, "not_in_force", "{reason}");
    assert!(
        reason.contains("a file that it reads after this one"),
        "{reason}"
    );
    house.set("PATH", path);

    // Podman's own words of a file that it cannot read: no version before 5 knows this mark.
    let marked = format!("\u{feff}{}", fs::read_to_string(&file).unwrap());
    fs::write(&file, marked).unwrap();
    let (is, reason) = state(&house, 4);
    assert_eq!(is, "failed", "{reason}");
    assert!(reason.contains("containers.conf"), "{reason}");
    house.json(&["undo", "podman", "--yes"], 0, "undo");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("\u{feff}{CONF}")
    );

    fs::write(&file, CONF).unwrap();
    house.mirror_into_podman("http://proxy.test:3128");
    house.json(&["apply", "--yes"], 0, "apply");
    house.set("https_proxy", "http://theirs.test:1");
    let (is, reason) = state(&house, 4);
    assert_eq!(is, "not_in_force", "{reason}");
    assert!(
        reason.contains("https_proxy is set in the environment"),
        "{reason}"
    );
}

#[test]
fn containers_are_told_what_they_can_reach_and_nothing_else() {
    let house = House::new();
    let image = house.home().join("image");
    fs::create_dir_all(image.join("bin")).unwrap();
    fs::copy("/bin/busybox", image.join("bin/sh"))
        .expect("a static busybox must be installed: apt-get install busybox-static");
    let tar = image.with_extension("tar");
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(&image).arg("-cf").arg(&tar).arg(".");
    assert!(pack.status().unwrap().success());
    let environment = |upstream: &str| {
        house.mirror_into_podman(upstream);
        house.json(&["apply", "--yes"], 0, "apply");
        let made = out(podman(&house, &["create", "app", "/bin/sh"]));
        let inspect = ["inspect", "--format", "{{json .Config.Env}}", &made];
        let mut environment: Vec<String> =
            serde_json::from_str(&out(podman(&house, &inspect))).unwrap();
        out(podman(&house, &["rm", &made]));
        environment.sort();
        environment
    };
    with_conf(&house, "");
    out(podman(&house, &["import", tar.to_str().unwrap(), "app"]));
    let far = environment("http://proxy.test:3128");
    for name in ["http_proxy", "HTTPS_PROXY"] {
        assert!(
            far.contains(&format!("{name}=http://proxy.test:3128")),
            "{far:?}"
        );
    }
    let near = environment("http://127.0.0.1:3128");
    assert!(
        !near.iter().any(|value| value.contains("proxy")),
        "{near:?}"
    );
    assert_eq!(environment("http://proxy.test:3128"), far, "and back");
}

#[test]
fn mirror_style_refuses_an_upstream_that_needs_a_password() {
    let house = House::new();
    house.mirror_into_podman("http://ann@proxy.test:3128");
    with_conf(&house, CONF);
    let (is, reason) = state(&house, 4);
    assert_eq!(is, "blocked", "{reason}");
    assert_eq!(fs::read_to_string(house.containers_conf()).unwrap(), CONF);
    assert_eq!(house.json(&["plan"], 0, "plan")["steps"], json!([]));
}

#[test]
fn machines_are_named_with_the_word_that_they_must_be_restarted() {
    let mut house = House::new();
    house.mirror_into_podman("http://proxy.test:3128");
    with_conf(&house, CONF);
    let machines = house
        .containers_conf()
        .with_file_name("podman/machine/qemu");
    fs::create_dir_all(&machines).unwrap();
    fs::write(machines.join("dev.json"), "{}").unwrap();
    // Root's Podman has no machines, and none could run here.
    let list = r#"[{"Name": "dev", "Running": true}, {"Name": "old", "Running": false}]"#;
    wrapped(
        &mut house,
        &format!("[ $1 = machine ] && echo '{list}' && exit"),
    );
    let status = house.json(&["status"], 4, "status");
    let notes = target(&status)["notes"].as_array().unwrap();
    let said: Vec<&str> = notes
        .iter()
        .filter_map(|note| note["message"].as_str())
        .collect();
    assert_eq!(said.len(), 2, "{notes:#?}");
    assert!(said[0].contains("`podman machine stop dev`"), "{}", said[0]);
    assert!(
        said[1].contains("machine old is told the proxy when it starts"),
        "{}",
        said[1]
    );
    assert_eq!(
        house.json(&["plan"], 2, "plan")["notes"]
            .as_array()
            .unwrap(),
        notes
    );
}
