//! Units restart once, and only where something is left to restart.

use proxy_mirror::change::{Change, UnitId, undo};

use crate::sandbox::{DAEMON_JSON, Sandbox, daemon_json, drop_in};

#[test]
fn a_unit_is_restarted_once_and_once_more_when_its_files_are_given_back() {
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    let restarts = "daemon-reload\nreset-failed docker.service\nrestart docker.service\n";
    let together: &[&[Change]] = &[&[
        daemon_json(),
        drop_in("http://127.0.0.1:3182"),
        restart.clone(),
    ]];
    // Also where somebody had held the restart back at first.
    let apart: &[&[Change]] = &[&[daemon_json()], &[daemon_json(), restart]];
    for applied in [together, apart] {
        let machine = Sandbox::new();
        machine.write("etc/docker/daemon.json", DAEMON_JSON);
        machine.stand_in_for_systemctl();
        let before = machine.picture();
        for changes in applied {
            machine.apply(changes).unwrap();
        }
        assert_eq!(machine.systemctl_was_told(), restarts);
        let undone = undo(&machine.desks, None).unwrap();
        assert_eq!(undone.restarted, ["docker.service"]);
        assert_eq!(machine.systemctl_was_told(), restarts);
        assert_eq!(machine.picture(), before);
    }
}

#[test]
fn a_daemon_that_does_not_start_with_ours_starts_without() {
    let machine = Sandbox::new();
    machine.stand_in_for_systemctl();
    let before = machine.picture();
    let systemctl = machine.root().join("bin/systemctl");
    // As dockerd, when a flag in its unit says the same as its file.
    let picky = "#!/bin/sh\n[ $1 = show ] && echo ActiveState=inactive && exit\n\
        echo $* >>/told\n[ $1 != restart ] || [ ! -e /etc/docker/daemon.json ]\n";
    let works = std::fs::read_to_string(&systemctl).unwrap();
    std::fs::write(&systemctl, picky).unwrap();
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    let error = machine
        .apply(&[daemon_json(), restart])
        .unwrap_err()
        .to_string();
    assert!(error.contains("everything is again what it was"), "{error}");
    assert_eq!(
        machine
            .systemctl_was_told()
            .matches("restart docker")
            .count(),
        2
    );
    std::fs::write(&systemctl, works).unwrap();
    assert_eq!(machine.picture(), before);
}

#[test]
fn a_file_that_dockerd_would_not_start_with_is_found_before_it_is_stopped() {
    let machine = Sandbox::new();
    machine.stand_in_for_systemctl();
    // Somebody wrote a key that dockerd does not know, and did not restart it since.
    machine.write("etc/docker/daemon.json", "{\"nonsense\": 1}");
    let before = machine.picture();
    machine.stand_in_for_dockerd(
        "[ \"$*\" = \"--validate --config-file=/etc/docker/daemon.json\" ] && \
         echo \"unable to configure the Docker daemon with file /etc/docker/daemon.json: \
         the following directives don't match any configuration option: nonsense\" >&2 && exit 1",
    );
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    let error = machine
        .apply(&[daemon_json(), restart])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nonsense") && error.contains("everything is again what it was"),
        "{error}"
    );
    assert!(
        !machine.root().join("told").exists(),
        "systemd was told nothing"
    );
    machine.without_dockerd();
    assert_eq!(machine.picture(), before);
}

#[test]
fn a_restart_that_fails_in_undo_is_tried_again_by_the_next() {
    let machine = Sandbox::new();
    machine.stand_in_for_systemctl();
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    machine.apply(&[daemon_json(), restart]).unwrap();
    let systemctl = machine.root().join("bin/systemctl");
    let works = std::fs::read_to_string(&systemctl).unwrap();
    std::fs::write(&systemctl, "#!/bin/sh\necho no such unit >&2; exit 5\n").unwrap();
    let error = undo(&machine.desks, None).unwrap_err().to_string();
    assert!(error.contains("no such unit"), "{error}");
    assert!(
        !machine.root().join("etc/docker/daemon.json").exists(),
        "files come back first"
    );
    std::fs::write(&systemctl, works).unwrap();
    assert_eq!(
        undo(&machine.desks, None).unwrap().restarted,
        ["docker.service"]
    );
}

#[test]
fn a_unit_that_was_stopped_or_uninstalled_since_does_not_hold_undo_up() {
    // As systemd 257 answers, also for a unit that there is none of.
    for (loaded, active) in [("not-found", "failed"), ("loaded", "inactive")] {
        let machine = Sandbox::new();
        machine.stand_in_for_systemctl();
        let before = machine.picture();
        let restart = Change::RestartUnit {
            unit: UnitId::Docker,
        };
        machine.apply(&[daemon_json(), restart]).unwrap();
        machine.systemctl_was_told();
        let systemctl = machine.root().join("bin/systemctl");
        let works = std::fs::read_to_string(&systemctl).unwrap();
        let without = format!(
            "#!/bin/sh\ncase $1 in\n\
            show) echo LoadState={loaded}; echo ActiveState={active};;\n\
            restart) echo Unit docker.service not found. >&2; exit 5;;\n\
            esac\n"
        );
        std::fs::write(&systemctl, without).unwrap();
        let undone = undo(&machine.desks, None).unwrap();
        assert_eq!(undone.removed, ["/etc/docker/daemon.json"]);
        assert_eq!(undone.not_running, ["docker.service"]);
        assert!(undone.restarted.is_empty(), "{undone:?}");
        assert!(!machine.journal().exists(), "undo is done with it");
        std::fs::write(&systemctl, works).unwrap();
        assert_eq!(machine.picture(), before);
    }
}

#[test]
fn a_unit_that_failed_is_started_again_with_what_was_given_back() {
    let machine = Sandbox::new();
    machine.stand_in_for_systemctl();
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    machine.apply(&[daemon_json(), restart]).unwrap();
    let systemctl = machine.root().join("bin/systemctl");
    let failed = "#!/bin/sh\n[ $1 = show ] && echo ActiveState=failed || echo $* >>/told\n";
    std::fs::write(&systemctl, failed).unwrap();
    assert_eq!(
        undo(&machine.desks, None).unwrap().restarted,
        ["docker.service"]
    );
    assert!(
        machine
            .systemctl_was_told()
            .ends_with("restart docker.service\n")
    );
}

#[test]
fn a_daemon_is_started_without_ours_by_a_systemd_that_knows_that_it_is_gone() {
    let machine = Sandbox::new();
    machine.stand_in_for_systemctl();
    let before = machine.picture();
    // systemd starts a unit by what it read when it was last told to read.
    let script = "#!/bin/sh\nd=/etc/systemd/system/docker.service.d/gangway.conf\n\
        case $1 in\n\
        show) echo ActiveState=inactive ;;\n\
        daemon-reload) : >/loaded; [ ! -e $d ] || echo ours >/loaded ;;\n\
        restart) read with </loaded; [ \"$with\" != ours ] ;;\n\
        esac\n";
    std::fs::write(machine.root().join("bin/systemctl"), script).unwrap();
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    let error = machine
        .apply(&[drop_in("http://127.0.0.1:3182"), restart])
        .unwrap_err()
        .to_string();
    assert!(error.contains("and it runs"), "{error}");
    std::fs::remove_file(machine.root().join("loaded")).unwrap();
    machine.stand_in_for_systemctl();
    assert_eq!(machine.picture(), before);
}
