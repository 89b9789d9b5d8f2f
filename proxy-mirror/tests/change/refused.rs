//! What cannot be understood, or is not safe to write, is refused, and nothing is written.

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use proxy_mirror::change::{ChangeError, undo};

use crate::sandbox::{Sandbox, cli_config, daemon_json, daemon_json_to, drop_in};

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
fn a_file_that_is_no_text_is_named_by_line_and_column() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{}");
    std::fs::write(&file, b"{\n  \"\xc3\xbc\": \"\xff\"\n}\n").unwrap();
    let before = machine.picture();
    let text = machine.apply(&[daemon_json()]).unwrap_err().to_string();
    assert!(
        text.starts_with("/etc/docker/daemon.json:2:9: this is not UTF-8"),
        "{text}"
    );
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
    machine.apply(&[cli_config(&link)]).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(
        std::fs::read_to_string(&real)
            .unwrap()
            .contains("httpProxy")
    );
    undo(&machine.desks, None).unwrap();
    assert_eq!(machine.picture(), before);
}

/// A file mounted over another one; unmounted when dropped.
struct Mounted<'a>(&'a std::path::Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_users_file_that_is_mounted_is_changed_in_its_place_and_a_system_file_is_not() {
    let machine = Sandbox::new();
    let outside = machine.write("outside/config.json", "{\"auths\": {\"a\": {}}}");
    let file = machine.write("home/config.json", "");
    let system = machine.write("etc/docker/daemon.json", "{}");
    let mount = |over| {
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.arg("--bind").arg(&outside).arg(over).status();
        assert!(mounted.unwrap().success());
        Mounted(over)
    };
    let over_users = mount(&file);
    let before = machine.picture();
    machine.apply(&[cli_config(&file)]).unwrap();
    let text = std::fs::read_to_string(&outside).unwrap();
    assert!(text.contains("httpProxy"), "{text}");
    undo(&machine.desks, None).unwrap();
    assert_eq!(machine.picture(), before);
    drop(over_users);

    let _over_systems = mount(&system);
    let before = machine.picture();
    let error = machine.apply(&[daemon_json()]).unwrap_err();
    assert!(error.to_string().contains("daemon.json"), "{error}");
    assert_eq!(machine.picture(), before);
}

#[test]
fn somebody_elses_file_is_refused() {
    let machine = Sandbox::new();
    let file = machine.write("home/config.json", "{}");
    chown(&file, Some(1234), None).unwrap();
    let error = machine.apply(&[cli_config(&file)]).unwrap_err();
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
        for change in [daemon_json_to(evil), drop_in(evil)] {
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
