//! The daemon that a user runs without root, in RootlessKit's network, where this machine's loopback
//! is not.

use testbed::{APP_IMAGE, Machine, Squid, wait_for};

use crate::office::{GANGWAY, Office, SOON, text};
use crate::user::User;

/// As Docker's own `dockerd-rootless-setuptool.sh` writes it, in what counts here.
const UNIT: &str = "[Service]
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/usr/share/docker.io/contrib/dockerd-rootless.sh
Type=notify
NotifyAccess=all
KillMode=mixed
Delegate=yes
";

/// Their manager and their daemon, as after `systemctl --user start docker`.
fn start_daemon(user: &User<'_>) {
    let machine = user.machine;
    // A workstation's kernel has it for everybody.
    machine
        .sh("mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun")
        .unwrap();
    machine
        .sh(&format!("systemctl start user@{}", user.uid))
        .unwrap();
    let home = format!("/home/{}", user.name);
    let unit = format!("{home}/.config/systemd/user/docker.service");
    machine.write(&unit, UNIT).unwrap();
    machine
        .sh(&format!("chown -R {0}: {home}/.config", user.name))
        .unwrap();
    let started = user
        .command("systemctl")
        .args(["--user", "start", "docker"])
        .output()
        .unwrap();
    assert!(
        started.status.success(),
        "{}{}",
        text(&started.stderr),
        machine.sh("journalctl -b --no-pager | tail -n 60").unwrap()
    );
}

fn docker(user: &User<'_>, arguments: &[&str]) -> std::process::Output {
    let socket = format!("unix:///run/user/{}/docker.sock", user.uid);
    let mut command = user.command("docker");
    command.args(["--host", &socket]).args(arguments);
    command.output().unwrap()
}

fn state(user: &User<'_>) -> String {
    let status = user.json(&["status"]);
    let targets = status["targets"].as_array().cloned().unwrap_or_default();
    let ours = targets.iter().find(|view| view["id"] == "docker-rootless");
    ours.map_or_else(|| status.to_string(), |view| view["state"].to_string())
}

fn pulls(machine: &Machine, user: &User<'_>) {
    let pulled = docker(user, &["pull", "--quiet", APP_IMAGE]);
    assert!(
        pulled.status.success(),
        "{}{}",
        text(&pulled.stderr),
        machine.sh("journalctl -b --no-pager | tail -n 40").unwrap()
    );
}

#[test]
fn a_daemon_without_root_pulls_through_the_relay_and_gets_everything_back() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    let user = User::of(&ws, "dev");
    start_daemon(&user);
    // There is no way out but the proxy.
    assert!(
        !docker(&user, &["pull", "--quiet", APP_IMAGE])
            .status
            .success()
    );

    user.succeed(&["set", "upstream", &format!("http://{}", squid.address())]);
    user.succeed(&["set", "leave-alone", "docker-daemon,containerd,docker-cli"]);
    user.start(&format!("{GANGWAY} run"));
    let before = ws.sh("find /home/dev/.config/docker 2>&1 || true").unwrap();
    user.succeed(&["apply", "--yes"]);
    wait_for("it is in force", SOON, || {
        state(&user).contains("in_force").then_some(())
    })
    .unwrap();
    pulls(&ws, &user);
    let log = squid.log().join("\n");
    assert!(log.contains("CONNECT"), "{log}");

    // What its containers are told is there, too. (None can run on this kind of machine: a container's
    // `/proc` may not be mounted in a user namespace of it.)
    let pid = ws
        .sh(&format!("cat /run/user/{}/docker.pid", user.uid))
        .unwrap();
    let mut inside = user.command("nsenter");
    inside.args([
        "--user",
        "--preserve-credentials",
        "--net",
        "--target",
        pid.trim(),
    ]);
    inside.args([
        "curl",
        "-sS",
        "-m",
        "20",
        "--proxy",
        "http://172.17.0.1:3182",
    ]);
    let answer = inside
        .arg("https://web.example.test/hello")
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", text(&answer.stderr));

    // Another daemon in the place of this one finds it again.
    let restart = user
        .command("systemctl")
        .args(["--user", "restart", "docker"])
        .output();
    assert!(restart.unwrap().status.success());
    docker(&user, &["rmi", "--force", APP_IMAGE]);
    wait_for("it pulls again", SOON, || {
        let pulled = docker(&user, &["pull", "--quiet", APP_IMAGE]);
        pulled.status.success().then_some(())
    })
    .unwrap();

    user.succeed(&["undo", "--yes"]);
    assert_eq!(
        ws.sh("find /home/dev/.config/docker 2>&1 || true").unwrap(),
        before
    );
    let said = docker(&user, &["info", "--format", "{{.HTTPProxy}}"]);
    assert_eq!(text(&said.stdout).trim(), "");

    let stop = user
        .command("systemctl")
        .args(["--user", "stop", "docker"])
        .output();
    assert!(stop.unwrap().status.success());
    wait_for("it is said how to start it", SOON, || {
        let status = user.json(&["status"]).to_string();
        status
            .contains("systemctl --user start docker")
            .then_some(())
    })
    .unwrap();
}
