//! How a plain user's changes reach root's part: every way there is, really gone.

use testbed::{Machine, Squid};

use crate::office::{GANGWAY, Office, text};
use crate::user::User;

const PASSWORD: &str = "correct horse";

/// What sudo is told of the user `dev`, or nothing.
fn sudoers(machine: &Machine, line: &str) {
    let file = "/etc/sudoers.d/dev";
    machine
        .sh(&format!("umask 337; rm -f {file}; echo '{line}' > {file}"))
        .unwrap();
}

/// Lets `dev` do everything through polkit without asking, or not.
fn polkit(machine: &Machine, lets: bool) {
    let rule = "polkit.addRule(function(action, subject) {\n\
                if (action.id == 'org.freedesktop.policykit.exec' && subject.user == 'dev')\n\
                return polkit.Result.YES; });\n";
    let file = "/etc/polkit-1/rules.d/10-dev.rules";
    if lets {
        machine.write(file, rule).unwrap();
        machine.sh(&format!("chmod 644 {file}")).unwrap();
    } else {
        machine.sh(&format!("rm -f {file}")).unwrap();
    }
    // It sees new rules by itself, some time.
    machine.sh("systemctl restart polkit").unwrap();
}

fn exists(machine: &Machine, path: &str) -> bool {
    machine.path(path).exists()
}

fn docker_proxy(machine: &Machine) -> String {
    let says = machine.sh("docker info --format '{{.HTTPProxy}}'");
    says.unwrap().trim().to_owned()
}

#[test]
fn a_plain_user_whom_sudo_or_polkit_lets_sets_the_machine_and_gives_it_back() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    let dev = User::of(&ws, "dev");
    dev.succeed(&["set", "upstream", &format!("http://{}", squid.address())]);
    for (way, line, lets) in [
        ("sudo", "dev ALL=(ALL) NOPASSWD: ALL", false),
        ("polkit", "", true),
    ] {
        sudoers(&ws, line);
        polkit(&ws, lets);
        dev.succeed(&["engine", "install", "--yes"]);
        dev.succeed(&["apply", "--yes"]);
        assert_eq!(docker_proxy(&ws), "http://127.0.0.1:3182", "{way}");
        let owner = "stat -c %U /home/dev/.docker/config.json /etc/docker/daemon.json";
        assert_eq!(ws.sh(owner).unwrap(), "dev\nroot\n", "{way}");

        dev.succeed(&["undo", "--yes"]);
        assert_eq!(docker_proxy(&ws), "", "{way}");
        assert!(!exists(&ws, "/etc/docker/daemon.json"), "{way}");
        dev.succeed(&["engine", "remove", "--yes"]);
        assert!(
            !exists(&ws, "/etc/systemd/system/gangway-engine.service"),
            "{way}"
        );
        assert!(!exists(&ws, "/var/lib/gangway"), "{way}");
    }
}

#[test]
fn a_sudo_that_wants_a_password_asks_on_the_terminal_of_the_command() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    let dev = User::of(&ws, "dev");
    ws.sh(&format!("echo 'dev:{PASSWORD}' | chpasswd")).unwrap();
    sudoers(&ws, "dev ALL=(ALL) ALL");
    dev.succeed(&["set", "upstream", &format!("http://{}", squid.address())]);
    let type_in = |line: &str| {
        let (done, shown) = dev.on_terminal(&format!("{GANGWAY} {line}"), PASSWORD);
        assert!(done, "{line}: {shown}");
        assert!(shown.contains("password for dev"), "{line}: {shown}");
        shown
    };
    type_in("engine install --yes");
    type_in("apply --yes");
    assert_eq!(docker_proxy(&ws), "http://127.0.0.1:3182");
    type_in("undo --yes");
    assert_eq!(docker_proxy(&ws), "");

    // An agent has no terminal: the command that speaks to it asks for it.
    let agent = dev.start(&format!("{GANGWAY} run"));
    let shown = type_in("apply --yes");
    assert!(shown.contains("/home/dev/.docker/config.json"), "{shown}");
    assert_eq!(docker_proxy(&ws), "http://127.0.0.1:3182");
    assert!(exists(&ws, "/home/dev/.docker/config.json"));
    type_in("undo --yes");
    assert_eq!(docker_proxy(&ws), "");
    assert!(!exists(&ws, "/home/dev/.docker/config.json"));
    assert_eq!(dev.json(&["status"])["agent_pid"], agent);
    type_in("engine remove --yes");
}

#[test]
fn where_nobody_gives_root_what_the_message_says_does_it() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    let dev = User::of(&ws, "dev");
    dev.succeed(&["set", "upstream", &format!("http://{}", squid.address())]);
    // Runs what `gangway` says must be run, as root.
    let refused = |args: &[&str]| {
        let said = dev.gangway(args);
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        let problem = dev.json(args);
        assert_eq!(problem["code"], "needs_root", "{problem:#}");
        let command = problem["args"]["command"].as_str().unwrap().to_owned();
        assert!(text(&said.stderr).contains(&command), "{said:?}");
        command
    };
    let install = refused(&["engine", "install", "--yes"]);
    assert_eq!(install, format!("sudo {GANGWAY} engine install --yes"));
    ws.sh(&install).unwrap();
    // Root installed it for itself.
    ws.sh(&dev.told()).unwrap();

    // Root's own settings say nothing of a proxy: the user's are what is carried out.
    let apply = refused(&["apply", "--yes"]);
    assert!(!exists(&ws, "/etc/docker/daemon.json"));
    ws.sh(&apply).unwrap();
    assert_eq!(docker_proxy(&ws), "http://127.0.0.1:3182");
    assert!(!exists(&ws, "/root/.docker"));
    dev.succeed(&["apply", "--yes"]);
    assert!(exists(&ws, "/home/dev/.docker/config.json"));

    // A machine without sudo has su.
    ws.sh("mv /usr/bin/sudo /usr/bin/sudo.away").unwrap();
    let undo = refused(&["undo", "--yes"]);
    assert!(undo.starts_with("su -c '"), "{undo}");
    ws.sh(&undo).unwrap();
    assert_eq!(docker_proxy(&ws), "");
    ws.sh(&refused(&["engine", "remove", "--yes"])).unwrap();
    assert!(!exists(&ws, "/var/lib/gangway"));
}
