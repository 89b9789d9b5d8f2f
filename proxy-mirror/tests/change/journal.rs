//! The journal is its owner's alone.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use proxy_mirror::change::{ChangeError, undo};

use crate::sandbox::{Sandbox, daemon_json};

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
        undo(&machine.desks, None),
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
        undo(&machine.desks, None),
        Err(ChangeError::Journal { .. })
    ));
    assert_eq!(std::fs::read_to_string(shadow).unwrap(), "root");
}
