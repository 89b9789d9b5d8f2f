//! A new engine in the place of the one that runs, while containers download.

use testbed::{APP_IMAGE, BasicLogin, Squid, Workstation, wait_for};

use crate::office::{GANGWAY, Office, SOON, gangway, set_up, start_agent, status, succeed, text};
use crate::user::User;

/// A user's session: a bus, an unlocked keychain, the password stored by the command, the agent.
const SESSION: &str = "\
echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null
echo s3cret | /opt/gangway/gangway login || exit
exec /opt/gangway/gangway run
";

/// A download that knows the relay, and one that knows nothing and is intercepted.
const DOWNLOADS: [(&str, &str); 2] = [("told", ""), ("captured", "--noproxy '*'")];

/// Starts both, and waits until the far side sends.
fn start_downloads(office: &Office, ws: &Workstation<'_>) {
    for (name, told) in DOWNLOADS {
        ws.sh(&format!(
            "docker run -d --name {name} {APP_IMAGE} \
             curl -sSf {told} -o /dev/null -w '%{{size_download}}' https://web.example.test/held"
        ))
        .unwrap();
    }
    let seen = || office.origin.seen();
    let held = || {
        seen()
            .iter()
            .filter(|s| s.head.starts_with("GET /held"))
            .count()
    };
    wait_for("both download", SOON, || (held() == 2).then_some(()))
        .unwrap_or_else(|late| panic!("{late}: {:#}", status(ws)));
}

/// Lets both end; each must end well.
fn finish_downloads(office: &Office, ws: &Workstation<'_>) {
    office.origin.release();
    for (name, _) in DOWNLOADS {
        let said = || ws.sh(&format!("docker logs {name} 2>&1")).unwrap();
        let ended = ws.sh(&format!("docker wait {name}")).unwrap();
        assert_eq!(ended.trim(), "0", "{name}: {}", said());
        let size: u64 = said().trim().parse().unwrap();
        assert!(size >= 16 * 1024, "{name}: {size}");
    }
}

fn main_pid(ws: &Workstation<'_>, unit: &str) -> String {
    let asked = ws.sh(&format!("systemctl show --value -p MainPID {unit}"));
    asked.unwrap().trim().to_owned()
}

/// What the engine says itself.
fn engine(ws: &Workstation<'_>) -> Option<serde_json::Value> {
    let ask = "curl -s -m 5 --unix-socket /run/gangway/engine.sock http://engine/v1/status";
    serde_json::from_str(&ws.sh(ask).ok()?).ok()
}

/// Waits until it is the process that systemd calls the main one, and intercepts.
fn serves(ws: &Workstation<'_>) -> String {
    wait_for("the engine serves and intercepts", SOON, || {
        let (status, pid) = (engine(ws)?, main_pid(ws, "gangway-engine"));
        let is_main = status["pid"].as_u64() == pid.parse().ok();
        let whole = is_main && status["interception"]["kind"] == "on";
        whole.then_some(pid)
    })
    .unwrap_or_else(|late| {
        let log = ws.sh("journalctl -b --no-pager -u 'gangway*' | tail -n 30");
        panic!("{late}: {:?}\n{}", engine(ws), log.unwrap_or_default())
    })
}

#[test]
fn a_reload_exchanges_the_engine_and_neither_downloads_nor_systemd_nor_the_password_suffer() {
    let office = Office::open();
    let login = BasicLogin {
        user: "ann".into(),
        password: "s3cret".into(),
    };
    let squid = Squid::with_basic(&office.corp, 3129, &login).unwrap();
    let ws = office.workstation();
    let dev = User::of(&ws, "dev");
    ws.sh("umask 337; echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev")
        .unwrap();
    dev.succeed(&[
        "set",
        "upstream",
        &format!("http://ann@{}", squid.address()),
    ]);
    ws.write("/run/session", SESSION).unwrap();
    dev.start("dbus-run-session -- sh /run/session");
    dev.succeed(&["engine", "install", "--yes"]);
    dev.succeed(&["apply", "--yes"]);
    let pull = || {
        let mut docker = dev.command("docker");
        docker.args(["pull", "-q", APP_IMAGE]).output().unwrap()
    };
    wait_for("the password opens the proxy", SOON, || {
        pull().status.success().then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}: {:#}", dev.json(&["status"])));
    // As root, whose settings of Docker name no relay.
    ws.sh("install -D /home/dev/.docker/config.json /root/.docker/config.json")
        .unwrap();
    let old = serves(&ws);
    start_downloads(&office, &ws);

    ws.sh("systemctl reload gangway-engine").unwrap();
    let new = serves(&ws);
    assert_ne!(new, old);
    let unit = "systemctl show --value -p ActiveState -p SubState -p NRestarts gangway-engine";
    assert_eq!(ws.sh(unit).unwrap(), "0\nactive\nrunning\n");
    let lent = |engine: &serde_json::Value| engine["upstreams"][0]["credentials_lent"] == true;
    assert!(lent(&engine(&ws).unwrap()), "from the first moment on");
    ws.sh(&format!("docker rmi -f {APP_IMAGE} || true"))
        .unwrap();
    let pulled = pull();
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));
    wait_for("the agent lends to the new one", SOON, || {
        let engine = engine(&ws)?;
        (engine["attached"] == "dev" && lent(&engine)).then_some(())
    })
    .unwrap();
    // The old one stays for its downloads, and no longer.
    ws.sh(&format!("test -d /proc/{old}")).unwrap();
    finish_downloads(&office, &ws);
    wait_for("the old engine ends", SOON, || {
        ws.sh(&format!("test ! -d /proc/{old}")).ok()
    })
    .unwrap();

    // What comes after it is looked after as it was.
    ws.sh("systemctl kill --kill-whom=main --signal=KILL gangway-engine")
        .unwrap();
    let restarted = wait_for("systemd starts another", SOON, || {
        let pid = main_pid(&ws, "gangway-engine");
        (pid != "0" && pid != new).then_some(pid)
    });
    restarted.unwrap();
    serves(&ws);
    assert_eq!(ws.sh(unit).unwrap(), "1\nactive\nrunning\n");
    wait_for("the agent lends to that", SOON, || engine(&ws).filter(lent)).unwrap();
}

#[test]
fn installing_over_an_older_engine_cuts_no_connection_and_one_that_cannot_follow_is_restarted() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    start_agent(&ws);
    ws.sh(&format!("docker pull -q {APP_IMAGE}")).unwrap();
    let old = serves(&ws);
    let broker = main_pid(&ws, "gangway-broker");
    start_downloads(&office, &ws);

    // Nothing is new: nothing happens.
    succeed(&ws, &["engine", "install", "--yes"]);
    assert_eq!(serves(&ws), old);
    // Another program, which does the same.
    ws.sh("echo new >> /opt/gangway/proxy-engine").unwrap();
    succeed(&ws, &["engine", "install", "--yes"]);
    let new = serves(&ws);
    assert_ne!(new, old);
    assert_eq!(main_pid(&ws, "gangway-broker"), broker);
    let program = format!("cmp /proc/{new}/exe /opt/gangway/proxy-engine");
    ws.sh(&program).unwrap();
    let says = succeed(&ws, &["engine", "status"]);
    let version = format!("Version {}", env!("CARGO_PKG_VERSION"));
    assert!(says.contains(&version), "{says}");
    finish_downloads(&office, &ws);

    ws.sh("mv /opt/gangway/proxy-engine /opt/gangway/real")
        .unwrap();
    let cannot = "#!/bin/sh\n[ \"$1\" != take-over ] || exit 1\nexec /opt/gangway/real \"$@\"\n";
    ws.write("/opt/gangway/proxy-engine", cannot).unwrap();
    ws.sh("chmod 755 /opt/gangway/proxy-engine").unwrap();
    ws.sh(&format!("{GANGWAY} engine install --yes")).unwrap();
    assert_ne!(serves(&ws), new);
    assert_ne!(main_pid(&ws, "gangway-broker"), broker);
}

#[test]
fn a_program_that_does_not_run_is_not_installed_over_one_that_does() {
    let office = Office::open();
    let ws = office.workstation();
    succeed(&ws, &["engine", "install", "--yes"]);
    let old = main_pid(&ws, "gangway-engine");
    let broker = main_pid(&ws, "gangway-broker");
    let installed = "sha256sum /usr/local/lib/gangway/proxy-engine";
    let before = ws.sh(installed).unwrap();
    let cannot = "#!/bin/sh\necho 'no such libc' >&2\nexit 1\n";
    ws.write("/opt/gangway/proxy-engine", cannot).unwrap();
    let install = gangway(&ws, &["engine", "install", "--yes"]);
    let said = text(&install.stderr);
    assert_eq!(install.status.code(), Some(1), "{said}");
    assert!(said.contains("/opt/gangway/proxy-engine"), "{said}");
    assert!(said.contains("no such libc"), "{said}");
    assert_eq!(main_pid(&ws, "gangway-engine"), old);
    assert_eq!(main_pid(&ws, "gangway-broker"), broker);
    let serving = engine(&ws).and_then(|status| status["pid"].as_u64());
    assert_eq!(serving, old.parse().ok());
    // Whatever ends it, it is this program that is started again.
    assert_eq!(ws.sh(installed).unwrap(), before);
}

#[test]
fn a_program_that_does_not_know_the_units_flags_is_not_installed_over_one_that_does() {
    let office = Office::open();
    let ws = office.workstation();
    succeed(&ws, &["engine", "install", "--yes"]);
    let old = main_pid(&ws, "gangway-engine");
    let installed = "sha256sum /usr/local/lib/gangway/proxy-engine";
    let before = ws.sh(installed).unwrap();
    // It runs, and is from before a flag.
    ws.sh("mv /opt/gangway/proxy-engine /opt/gangway/real")
        .unwrap();
    let older = "#!/bin/sh\ncase \"$*\" in *--control-group*)\n\
        echo \"error: unexpected argument '--control-group' found\" >&2; exit 2;; esac\n\
        exec /opt/gangway/real \"$@\"\n";
    ws.write("/opt/gangway/proxy-engine", older).unwrap();
    ws.sh("chmod 755 /opt/gangway/proxy-engine").unwrap();
    let install = gangway(&ws, &["engine", "install", "--yes"]);
    let said = text(&install.stderr);
    assert_eq!(install.status.code(), Some(1), "{said}");
    assert!(said.contains("argument '--control-group'"), "{said}");
    assert_eq!(main_pid(&ws, "gangway-engine"), old);
    let serving = engine(&ws).and_then(|status| status["pid"].as_u64());
    assert_eq!(serving, old.parse().ok());
    assert_eq!(ws.sh(installed).unwrap(), before);
}

#[test]
fn flags_that_clash_only_together_are_found_before_the_service_is_touched() {
    let office = Office::open();
    let ws = office.workstation();
    succeed(&ws, &["engine", "install", "--yes"]);
    let old = main_pid(&ws, "gangway-engine");
    // Each of them is a flag; ports of nothing that is intercepted are none.
    ws.sh("mkdir -p /etc/systemd/system/gangway-engine.service.d")
        .unwrap();
    ws.write(
        "/etc/systemd/system/gangway-engine.service.d/override.conf",
        "[Service]\nEnvironment=\"FLAGS=--listen 127.0.0.1:3182 --ports 443\"\n",
    )
    .unwrap();
    ws.sh("systemctl daemon-reload").unwrap();
    let install = gangway(&ws, &["engine", "install", "--yes"]);
    let said = text(&install.stderr);
    assert_eq!(install.status.code(), Some(1), "{said}");
    assert!(said.contains("--ports") && said.contains("FLAGS"), "{said}");
    assert_eq!(main_pid(&ws, "gangway-engine"), old);
}

/// From here on, whoever tells systemd this is killed before it does.
fn kill_who_says(ws: &Workstation<'_>, word: &str) {
    ws.sh("mv /usr/bin/systemctl /usr/bin/systemctl.real")
        .unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != {word} ] || kill -9 $PPID\nexec /usr/bin/systemctl.real \"$@\"\n"
    );
    ws.write("/usr/bin/systemctl", &script).unwrap();
    ws.sh("chmod 755 /usr/bin/systemctl").unwrap();
}

fn kill_nobody(ws: &Workstation<'_>) {
    ws.sh("mv /usr/bin/systemctl.real /usr/bin/systemctl")
        .unwrap();
}

#[test]
fn what_a_killed_installation_or_removal_left_is_finished_by_the_next() {
    let office = Office::open();
    let ws = office.workstation();
    succeed(&ws, &["engine", "install", "--yes"]);
    let old = main_pid(&ws, "gangway-engine");
    ws.sh("echo new >> /opt/gangway/proxy-engine").unwrap();
    kill_who_says(&ws, "daemon-reload");
    assert_eq!(
        gangway(&ws, &["engine", "install", "--yes"]).status.code(),
        None
    );
    kill_nobody(&ws);
    // The new program is there, and the old one runs.
    ws.sh("cmp /usr/local/lib/gangway/proxy-engine /opt/gangway/proxy-engine")
        .unwrap();
    assert_eq!(main_pid(&ws, "gangway-engine"), old);
    succeed(&ws, &["engine", "install", "--yes"]);
    let new = main_pid(&ws, "gangway-engine");
    assert_ne!(new, old);
    ws.sh(&format!("cmp /proc/{new}/exe /opt/gangway/proxy-engine"))
        .unwrap();
    // Once it is exchanged, it stays.
    succeed(&ws, &["engine", "install", "--yes"]);
    assert_eq!(main_pid(&ws, "gangway-engine"), new);

    kill_who_says(&ws, "reset-failed");
    assert_eq!(
        gangway(&ws, &["engine", "remove", "--yes"]).status.code(),
        None
    );
    kill_nobody(&ws);
    ws.sh("test -d /var/lib/gangway").unwrap();
    succeed(&ws, &["engine", "remove", "--yes"]);
    ws.sh("test ! -e /var/lib/gangway").unwrap();
}
