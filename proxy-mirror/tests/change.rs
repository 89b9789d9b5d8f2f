//! What is changed is given back: byte for byte, mode and owner included, after a crash anywhere.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "change/failing.rs"]
mod failing;
#[path = "change/sandbox.rs"]
mod sandbox;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::sync::Arc;

use proxy_mirror::change::host::{Local, Machine};
use proxy_mirror::change::plan::{Proposal, build};
use proxy_mirror::change::{Change, ChangeError, Desk, Desks, Journal, UnitId, execute, undo};
use proxy_mirror::target::TargetId;

use failing::Failing;
use sandbox::{Sandbox, daemon_json, drop_in};

const DAEMON_JSON: &str = "{\r\n\t\"log-driver\": \"local\" // mine\r\n}";

#[test]
fn undo_gives_back_bytes_mode_and_owner() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", DAEMON_JSON);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    chown(&file, Some(0), Some(7)).unwrap();
    let before = machine.picture();
    machine
        .apply(&[daemon_json(), drop_in("http://127.0.0.1:3182")])
        .unwrap();
    assert_ne!(machine.picture(), before);
    let meta = file.metadata().unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid()),
        (0o640, 0, 7)
    );
    let undone = undo(&machine.desks).unwrap();
    assert_eq!(machine.picture(), before);
    assert_eq!(undone.restored, ["/etc/docker/daemon.json"]);
    assert_eq!(
        undone.removed,
        ["/etc/systemd/system/docker.service.d/gangway.conf"]
    );
    assert!(
        !machine.journal().exists(),
        "the journal holds old secrets and goes with the last record"
    );
}

#[test]
fn what_was_not_there_is_gone_with_the_folders_that_were_made_for_it() {
    let machine = Sandbox::new();
    let before = machine.picture();
    machine
        .apply(&[daemon_json(), drop_in("http://127.0.0.1:3182")])
        .unwrap();
    assert!(
        machine
            .root()
            .join("etc/systemd/system/docker.service.d/gangway.conf")
            .is_file()
    );
    undo(&machine.desks).unwrap();
    assert_eq!(machine.picture(), before);
}

#[test]
fn a_folder_in_which_somebody_else_put_a_file_stays() {
    let machine = Sandbox::new();
    machine.apply(&[drop_in("http://127.0.0.1:3182")]).unwrap();
    let theirs = machine.write(
        "etc/systemd/system/docker.service.d/theirs.conf",
        "[Service]\n",
    );
    undo(&machine.desks).unwrap();
    assert!(theirs.exists());
    assert!(!theirs.with_file_name("gangway.conf").exists());
}

#[test]
fn the_first_image_holds_however_often_a_change_is_applied() {
    let machine = Sandbox::new();
    machine.write("etc/docker/daemon.json", DAEMON_JSON);
    let before = machine.picture();
    for port in 1..5 {
        machine
            .apply(&[sandbox::daemon_json_to(&format!("http://10.0.0.1:{port}"))])
            .unwrap();
    }
    undo(&machine.desks).unwrap();
    assert_eq!(machine.picture(), before);
}

#[test]
fn what_somebody_else_wrote_since_is_kept() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{\n  \"mtu\": 1400\n}\n");
    machine.apply(&[daemon_json()]).unwrap();
    let ours = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, ours.replace("1400", "1300")).unwrap();
    let undone = undo(&machine.desks).unwrap();
    assert_eq!(undone.merged, ["/etc/docker/daemon.json"]);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "{\n  \"mtu\": 1300\n}\n"
    );
}

#[test]
fn what_somebody_else_wrote_between_two_changes_is_kept_too() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{\n  \"mtu\": 1400\n}\n");
    machine.apply(&[daemon_json()]).unwrap();
    let ours = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, ours.replace("1400", "1300")).unwrap();
    machine
        .apply(&[sandbox::daemon_json_to("http://10.0.0.1:1")])
        .unwrap();
    undo(&machine.desks).unwrap();
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "{\n  \"mtu\": 1300\n}\n"
    );
}

#[test]
fn a_file_that_somebody_took_away_stays_away() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", DAEMON_JSON);
    machine.apply(&[daemon_json()]).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        undo(&machine.desks).unwrap().merged,
        ["/etc/docker/daemon.json"]
    );
    assert!(!file.exists());
}

#[test]
fn a_crash_between_any_two_steps_leaves_an_exact_undo() {
    for present in [true, false] {
        for step in 0.. {
            let machine = Sandbox::new();
            if present {
                machine.write("etc/docker/daemon.json", DAEMON_JSON);
            }
            let before = machine.picture();
            let failing = Arc::new(Failing::new(Local::at(machine.root()), step));
            let desk = Desk {
                host: failing.clone(),
                journal: Journal::at(machine.journal()),
            };
            let changes = [daemon_json(), drop_in("http://127.0.0.1:3182")];
            let carried = changes
                .iter()
                .try_for_each(|change| desk.carry_out(change, &[]));
            undo(&machine.desks).unwrap();
            assert_eq!(machine.picture(), before, "after a crash at step {step}");
            if carried.is_ok() {
                assert!(step > 10, "the steps were counted: {step}");
                break;
            }
        }
    }
}

#[test]
fn a_crash_in_the_midst_of_undo_is_made_good_by_the_next() {
    for step in 0.. {
        let machine = Sandbox::new();
        machine.write("etc/docker/daemon.json", DAEMON_JSON);
        let before = machine.picture();
        machine
            .apply(&[daemon_json(), drop_in("http://127.0.0.1:3182")])
            .unwrap();
        let failing = Arc::new(Failing::new(Local::at(machine.root()), step));
        let desk = Desk {
            host: failing,
            journal: Journal::at(machine.journal()),
        };
        let finished = desk.undo().is_ok();
        undo(&machine.desks).unwrap();
        assert_eq!(machine.picture(), before, "after a crash at step {step}");
        if finished {
            break;
        }
    }
}

#[test]
fn a_malformed_file_is_named_by_line_and_column_and_nothing_is_written() {
    let machine = Sandbox::new();
    machine.write("etc/docker/daemon.json", "{\n  \"a\": tru\n}\n");
    let before = machine.picture();
    let error = machine
        .apply(&[drop_in("http://127.0.0.1:3182"), daemon_json()])
        .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("/etc/docker/daemon.json:2:8: "), "{text}");
    assert!(text.ends_with("nothing was written"), "{text}");
    assert_eq!(machine.picture(), before);
}

#[test]
fn a_linked_folder_is_refused() {
    let machine = Sandbox::new();
    let elsewhere = machine
        .write("home/ann/docker/daemon.json", "{}")
        .parent()
        .unwrap()
        .to_owned();
    std::fs::create_dir_all(machine.root().join("etc")).unwrap();
    symlink(&elsewhere, machine.root().join("etc/docker")).unwrap();
    let error = machine.apply(&[daemon_json()]).unwrap_err();
    assert!(matches!(error, ChangeError::Unsafe { .. }), "{error}");
    assert_eq!(
        std::fs::read_to_string(elsewhere.join("daemon.json")).unwrap(),
        "{}"
    );
}

#[test]
fn a_linked_system_file_is_refused() {
    let machine = Sandbox::new();
    let elsewhere = machine.write("home/ann/daemon.json", "{}");
    std::fs::create_dir_all(machine.root().join("etc/docker")).unwrap();
    symlink(&elsewhere, machine.root().join("etc/docker/daemon.json")).unwrap();
    assert!(matches!(
        machine.apply(&[daemon_json()]),
        Err(ChangeError::Unsafe { .. })
    ));
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{}");
    let folder = file.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(
        machine.apply(&[daemon_json()]),
        Err(ChangeError::Unsafe { .. })
    ));
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    chown(folder, Some(1234), None).unwrap();
    assert!(matches!(
        machine.apply(&[daemon_json()]),
        Err(ChangeError::Unsafe { .. })
    ));
}

#[test]
fn a_users_file_behind_a_link_is_changed_where_it_is() {
    let machine = Sandbox::new();
    let real = machine.write("dotfiles/config.json", "{\"auths\": {}}");
    let link = machine.root().join("home/config.json");
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(&real, &link).unwrap();
    let before = machine.picture();
    machine.apply(&[sandbox::cli_config(&link)]).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(
        std::fs::read_to_string(&real)
            .unwrap()
            .contains("httpProxy")
    );
    undo(&machine.desks).unwrap();
    assert_eq!(machine.picture(), before);
}

#[test]
fn somebody_elses_file_is_refused() {
    let machine = Sandbox::new();
    let file = machine.write("home/config.json", "{}");
    chown(&file, Some(1234), None).unwrap();
    let error = machine.apply(&[sandbox::cli_config(&file)]).unwrap_err();
    assert!(
        error.to_string().contains("belongs to user id 1234"),
        "{error}"
    );
}

#[test]
fn a_value_that_would_end_its_line_is_refused() {
    for evil in [
        "http://a:1\nExecStartPre=/bin/sh",
        "http://a:1\0",
        "http://a:1\r",
        "http://a:1 b",
        "http://user@a:1",
        "http://user:password@a:1",
        "ftp://a:1",
        "",
    ] {
        let machine = Sandbox::new();
        let before = machine.picture();
        for change in [sandbox::daemon_json_to(evil), drop_in(evil)] {
            let error = machine.apply(&[change]).unwrap_err();
            assert!(
                matches!(error, ChangeError::Value { .. }),
                "{evil:?}: {error}"
            );
            assert!(!error.to_string().contains("password@"), "{error}");
        }
        assert_eq!(machine.picture(), before);
    }
}

#[test]
fn a_plan_is_carried_out_only_on_the_machine_that_it_was_made_for() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{}");
    let planned = machine.plan(&[daemon_json()]).unwrap();
    std::fs::write(&file, "{\"debug\": true}").unwrap();
    let before = machine.picture();
    let error = execute(&machine.desks, &planned, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ChangeError::Stale { .. }), "{error}");
    assert_eq!(machine.picture(), before);
    assert_ne!(
        machine.plan(&[daemon_json()]).unwrap().view.id,
        planned.view.id
    );
}

#[test]
fn what_is_already_so_is_no_step() {
    let machine = Sandbox::new();
    machine.apply(&[daemon_json()]).unwrap();
    let planned = machine.plan(&[daemon_json()]).unwrap();
    assert!(planned.view.steps.is_empty() && planned.view.diff.is_empty());
}

#[test]
fn patch_accepts_the_diff_and_makes_the_same_files() {
    for text in [
        Some(DAEMON_JSON),
        Some("{\n  \"mtu\": 1400\n}\n"),
        Some("{}"),
        None,
    ] {
        let machine = Sandbox::new();
        if let Some(text) = text {
            machine.write("etc/docker/daemon.json", text);
        }
        let cli = machine.write(
            "home/config.json",
            "{\n\t\"auths\": {\n\t\t\"a\": {}\n\t}\n}",
        );
        let changes = [
            daemon_json(),
            drop_in("http://127.0.0.1:3182"),
            sandbox::cli_config(&cli),
        ];
        let copy = machine.copy();
        let diff = machine.plan(&changes).unwrap().view.diff;
        // The user's file lies below the sandbox itself, which is the root of the copy.
        let diff = diff.replace(machine.root().to_str().unwrap(), "");
        copy.patch(&diff);
        machine.apply(&changes).unwrap();
        assert_eq!(copy.files(), machine.files(), "{diff}");
    }
}

#[test]
fn the_journal_is_readable_by_its_owner_alone() {
    let machine = Sandbox::new();
    machine.write("etc/docker/daemon.json", "{\"x\": \"s3cret\"}");
    machine.apply(&[daemon_json()]).unwrap();
    assert_eq!(machine.journal().metadata().unwrap().mode() & 0o7777, 0o700);
    for record in std::fs::read_dir(machine.journal()).unwrap() {
        let meta = record.unwrap().metadata().unwrap();
        assert_eq!(meta.mode() & 0o7777, 0o600);
    }
    std::fs::set_permissions(machine.journal(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(
        undo(&machine.desks),
        Err(ChangeError::Unsafe { .. })
    ));
}

#[test]
fn a_forged_record_is_not_believed() {
    let machine = Sandbox::new();
    machine.apply(&[daemon_json()]).unwrap();
    let record = std::fs::read_dir(machine.journal())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(
        &record,
        text.replace("/etc/docker/daemon.json", "/etc/shadow"),
    )
    .unwrap();
    let shadow = machine.write("etc/shadow", "root");
    assert!(matches!(
        undo(&machine.desks),
        Err(ChangeError::Journal { .. })
    ));
    assert_eq!(std::fs::read_to_string(shadow).unwrap(), "root");
}

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
        let undone = undo(&machine.desks).unwrap();
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
    let picky =
        "#!/bin/sh\necho $* >>/told\n[ $1 != restart ] || [ ! -e /etc/docker/daemon.json ]\n";
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
    let error = undo(&machine.desks).unwrap_err().to_string();
    assert!(error.contains("no such unit"), "{error}");
    assert!(
        !machine.root().join("etc/docker/daemon.json").exists(),
        "files come back first"
    );
    std::fs::write(&systemctl, works).unwrap();
    assert_eq!(undo(&machine.desks).unwrap().restarted, ["docker.service"]);
}

#[test]
fn a_drop_in_that_somebody_else_wrote_is_not_overwritten() {
    let machine = Sandbox::new();
    machine.write(
        "etc/systemd/system/docker.service.d/gangway.conf",
        "[Service]\nNice=5\n",
    );
    let error = machine
        .apply(&[drop_in("http://127.0.0.1:3182")])
        .unwrap_err();
    assert!(
        error.to_string().contains("was not written by Gangway"),
        "{error}"
    );
}

#[test]
fn a_user_without_root_cannot_be_told_a_plan_that_hides_it() {
    let machine = Sandbox::new();
    let desks = Desks {
        root: false,
        ..machine.desks.clone()
    };
    let proposal = Proposal {
        target: TargetId("docker-daemon".into()),
        machine: Machine::Local,
        changes: vec![daemon_json()],
    };
    assert!(build(&desks, vec![proposal]).unwrap().view.needs_root);
}
