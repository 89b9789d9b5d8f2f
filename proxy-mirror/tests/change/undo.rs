//! What is changed is given back: byte for byte, mode and owner included.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Arc;

use proxy_mirror::change::host::Local;
use proxy_mirror::change::{ChangeError, Desk, Journal, undo};

use crate::failing::Failing;
use crate::sandbox::{DAEMON_JSON, Sandbox, daemon_json, daemon_json_to, drop_in};

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
    let undone = undo(&machine.desks, None).unwrap();
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
fn attributes_and_access_lists_are_kept_by_the_change_and_by_undo() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", DAEMON_JSON);
    // u::rw- u:7:r-- g::r-- m::r-- o::--- (linux/posix_acl_xattr.h, version 2).
    let entry = |tag: u16, perm: u16, id: u32| {
        [
            &tag.to_le_bytes()[..],
            &perm.to_le_bytes(),
            &id.to_le_bytes(),
        ]
        .concat()
    };
    let nobody = u32::MAX;
    let list = [
        2u32.to_le_bytes().to_vec(),
        entry(0x01, 6, nobody),
        entry(0x02, 4, 7),
        entry(0x04, 4, nobody),
        entry(0x10, 4, nobody),
        entry(0x20, 0, nobody),
    ]
    .concat();
    let attributes = [
        ("system.posix_acl_access", &list[..]),
        ("user.origin", b"corp"),
    ];
    for (name, value) in attributes {
        setxattr(&file, name, value, XattrFlags::empty()).unwrap();
    }
    let kept = || {
        attributes.iter().all(|(name, value)| {
            let mut read = [0; 256];
            getxattr(&file, *name, &mut read[..]).is_ok_and(|length| read[..length] == **value)
        })
    };
    let before = machine.picture();
    machine.apply(&[daemon_json()]).unwrap();
    assert!(kept(), "by the change");
    undo(&machine.desks, None).unwrap();
    assert!(kept(), "by undo");
    assert_eq!(machine.picture(), before);
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
    undo(&machine.desks, None).unwrap();
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
    undo(&machine.desks, None).unwrap();
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
            .apply(&[daemon_json_to(&format!("http://10.0.0.1:{port}"))])
            .unwrap();
    }
    undo(&machine.desks, None).unwrap();
    assert_eq!(machine.picture(), before);
}

#[test]
fn what_somebody_else_wrote_since_is_kept() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{\n  \"mtu\": 1400\n}\n");
    machine.apply(&[daemon_json()]).unwrap();
    let ours = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, ours.replace("1400", "1300")).unwrap();
    let undone = undo(&machine.desks, None).unwrap();
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
        .apply(&[daemon_json_to("http://10.0.0.1:1")])
        .unwrap();
    undo(&machine.desks, None).unwrap();
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
        undo(&machine.desks, None).unwrap().merged,
        ["/etc/docker/daemon.json"]
    );
    assert!(!file.exists());
}

#[test]
fn what_its_owner_took_out_meanwhile_does_not_come_back() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{\"debug\": true}\n");
    machine.apply(&[daemon_json()]).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let without = text.replace("\"debug\": true,", "");
    assert_ne!(without, text);
    std::fs::write(&file, &without).unwrap();
    // Nor by a second change.
    machine
        .apply(&[daemon_json_to("http://127.0.0.1:4000")])
        .unwrap();
    undo(&machine.desks, None).unwrap();
    let left: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(left, serde_json::json!({}));
}

#[test]
fn what_an_editor_saves_in_the_moment_of_a_change_is_not_lost() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{\"debug\": true}\n");
    let desk = |saves| Desk {
        host: Arc::new(Failing::saving(Local::at(machine.root()), &file, saves)),
        journal: Journal::at(machine.journal()),
    };
    let read =
        || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap() };
    desk(1).carry_out(&daemon_json(), &[]).unwrap();
    assert_eq!(read()["saved1"], true);
    assert!(read()["proxies"].is_object());
    desk(1).undo(None).unwrap();
    let left = serde_json::json!({"debug": true, "saved1": true, "saved2": true});
    assert!(read()["proxies"].is_null(), "{}", read());
    assert_eq!(read(), left);

    // One that does not stop saving keeps its file, and nothing is noted as changed.
    let error = desk(99).carry_out(&daemon_json(), &[]).unwrap_err();
    assert!(matches!(error, ChangeError::Stale { .. }), "{error}");
    assert!(read()["proxies"].is_null(), "{}", read());
    assert_eq!(Journal::at(machine.journal()).records().unwrap(), []);
}

#[test]
fn a_strict_umask_hides_nothing_from_those_who_must_see_it() {
    // Of this test's own process.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Sandbox::new();
    machine.desks.machine_journal = folder.path().join("var/journal");
    std::fs::set_permissions(
        machine.root().join("etc/systemd/system"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    machine.apply(&[drop_in("http://127.0.0.1:3182")]).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().mode() & 0o7777;
    let unit = machine.root().join("etc/systemd/system/docker.service.d");
    assert_eq!(mode(&unit), 0o755);
    assert_eq!(mode(&unit.join("gangway.conf")), 0o644);
    assert_eq!(mode(&folder.path().join("var")), 0o755);
    assert_eq!(mode(&folder.path().join("var/journal")), 0o700);
}
