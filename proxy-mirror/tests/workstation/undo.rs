//! Everything can be given back.

use testbed::Squid;

use crate::office::{Office, set_up, succeed};

/// Odd on purpose: tabs, an order of its own, no final newline, a mode of its own.
const DAEMON: &str = "{\n\t\"log-level\" : \"warn\",\n\t\"proxies\": {\"no-proxy\": \"*.corp.test\"},\n\t\"debug\":false\n}";
const CLI: &str = "{ \"auths\": {},\n  \"psFormat\": \"table {{.Names}}\" }\n\n";

#[test]
fn undo_and_engine_remove_leave_every_byte_mode_and_owner_as_it_was() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    ws.write("/etc/docker/daemon.json", DAEMON).unwrap();
    ws.write("/root/.docker/config.json", CLI).unwrap();
    ws.sh(
        "chmod 640 /etc/docker/daemon.json; chgrp docker /etc/docker/daemon.json\n\
         chmod 600 /root/.docker/config.json\n\
         systemctl restart docker",
    )
    .unwrap();
    let look = "find /etc /usr/local /var/lib/gangway /root/.docker /root/.config -xdev \
                ! -path '/etc/machine-id' ! -path '/etc/*-' ! -path '/etc/docker/key.json' \
                ! -path '/root/.config*' ! -path '/etc/.pwd.lock' \
                -printf '%p %M %U:%G\\n' 2>/dev/null | sort || true";
    let hashes = "sha256sum /etc/docker/daemon.json /root/.docker/config.json; \
                  getent passwd gangway || echo no user; getent group gangway || echo no group";
    let (files, content) = (ws.sh(look).unwrap(), ws.sh(hashes).unwrap());

    set_up(&ws, squid.address());
    assert_ne!(ws.sh(hashes).unwrap(), content);
    // systemd passes over a line that it does not understand, and only its journal says so.
    let odd = "journalctl -b --no-pager | grep -E 'gangway-[a-z]+\\.service:[0-9]+' || true";
    assert_eq!(ws.sh(odd).unwrap(), "");
    // Whoever may use the engine's socket may not put another in its place.
    ws.sh("usermod --append --groups gangway dev").unwrap();
    for replace in [
        "rm -f /run/gangway/engine.sock",
        "rm -f /run/gangway/engine/control.sock",
        "touch /run/gangway/agent.sock",
        "touch /run/gangway/engine/other.sock",
    ] {
        let said = ws.sh(&format!("runuser -u dev -- {replace} 2>&1 || echo refused"));
        assert!(said.unwrap().ends_with("refused\n"), "{replace}");
    }
    succeed(&ws, &["undo", "--yes"]);
    assert_eq!(ws.sh("cat /etc/docker/daemon.json").unwrap(), DAEMON);
    let says = ws.sh("docker info --format '{{.HTTPProxy}}'").unwrap();
    assert_eq!(says.trim(), "");

    succeed(&ws, &["engine", "remove", "--yes"]);
    assert_eq!(ws.sh(hashes).unwrap(), content);
    assert_eq!(ws.sh(look).unwrap(), files);
    let units = ws.sh("systemctl list-units --all --plain --no-legend 'gangway*'");
    assert_eq!(units.unwrap(), "");
    assert_eq!(ws.sh("nft list tables | grep gangway || true").unwrap(), "");
}

#[test]
fn a_docker_that_was_uninstalled_since_does_not_hold_undo_up() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    ws.write("/etc/docker/daemon.json", DAEMON).unwrap();
    set_up(&ws, squid.address());
    // Debian leaves the init script of a package that is removed, and systemd makes a unit of it.
    ws.sh("dpkg --remove --force-depends docker.io").unwrap();
    let said = succeed(&ws, &["undo", "--yes"]);
    assert!(said.contains("docker.service does not run"), "{said}");
    assert_eq!(ws.sh("cat /etc/docker/daemon.json").unwrap(), DAEMON);
    assert_eq!(succeed(&ws, &["undo", "--yes"]), "Nothing to undo.\n");
}
