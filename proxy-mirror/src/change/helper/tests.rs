use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::change::Asking;
use crate::change::host::Local;

/// Desks over an empty machine of the test's own.
fn desks(folder: &Path) -> Desks {
    std::fs::create_dir_all(folder.join("root/etc/docker")).unwrap();
    Desks {
        local: Arc::new(Local::at(folder.join("root"))),
        user_journal: folder.join("user"),
        machine_journal: folder.join("journal"),
        root: true,
        asking: Asking::Aside,
    }
}

fn refusal(request: &Value) -> ChangeError {
    let folder = tempfile::tempdir().unwrap();
    let desks = desks(folder.path());
    let error = answer(&desks, request.to_string().as_bytes()).unwrap_err();
    let etc = folder.path().join("root/etc");
    let files = std::fs::read_dir(etc.join("docker")).unwrap().count();
    assert_eq!(files, 0, "nothing was written");
    assert_eq!(
        std::fs::read_dir(etc).unwrap().count(),
        1,
        "nothing was made"
    );
    error
}

fn errand(change: &Value) -> Value {
    json!({"do": "carry_out", "errands": [{"change": change, "restarts": [], "seen": null}]})
}

fn daemon_json(value: &str) -> Value {
    json!({
        "change": "set_json_keys",
        "file": {"file": "docker_daemon_json"},
        "keys": [[["proxies", "http-proxy"], value]],
    })
}

#[test]
fn a_plain_errand_is_carried_out_with_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let desks = desks(folder.path());
    let request = errand(&daemon_json("http://127.0.0.1:3182")).to_string();
    answer(&desks, request.as_bytes()).unwrap();
    let file = folder.path().join("root/etc/docker/daemon.json");
    assert!(std::fs::read_to_string(&file).unwrap().contains("3182"));
    // It was there when the plan saw nothing: the plan is stale now.
    assert!(matches!(
        answer(&desks, request.as_bytes()),
        Err(ChangeError::Stale { .. })
    ));
    let undone = answer(&desks, br#"{"do":"undo"}"#).unwrap().unwrap();
    assert_eq!(undone.removed, ["/etc/docker/daemon.json"]);
    assert!(!file.exists());
}

#[test]
fn a_newline_or_a_nul_in_a_value_is_refused_again() {
    for evil in [
        "http://a:1\nExecStart=/bin/sh",
        "http://a:1\0",
        "http://a:1\u{85}",
        "http://u:p@a:1",
    ] {
        assert!(
            matches!(
                refusal(&errand(&daemon_json(evil))),
                ChangeError::Value { .. }
            ),
            "{evil:?}"
        );
        let drop_in = json!({
            "change": "write_environment_drop_in",
            "file": {"file": "docker_drop_in"},
            "environment": [["HTTP_PROXY", evil]],
        });
        assert!(
            matches!(refusal(&errand(&drop_in)), ChangeError::Value { .. }),
            "{evil:?}"
        );
    }
}

#[test]
fn only_our_members_variables_files_and_units_can_be_named() {
    let member = json!({
        "change": "set_json_keys",
        "file": {"file": "docker_daemon_json"},
        "keys": [[["authorization-plugins"], "http://a:1"]],
    });
    let variable = json!({
        "change": "write_environment_drop_in",
        "file": {"file": "docker_drop_in"},
        "environment": [["LD_PRELOAD", "http://a:1"]],
    });
    let elsewhere = json!({
        "change": "write_environment_drop_in",
        "file": {"file": "docker_daemon_json"},
        "environment": [["HTTP_PROXY", "http://a:1"]],
    });
    let users = json!({
        "change": "set_json_keys",
        "file": {"file": "docker_cli_config", "path": "/etc/shadow"},
        "keys": [[["proxies", "default", "httpProxy"], "http://a:1"]],
    });
    let podman = |name: &str, value: &str| {
        json!({
            "change": "set_engine_env",
            "file": {"file": "podman_system_conf"},
            "environment": [[name, value]],
            "for_containers": true,
        })
    };
    let (preload, password, newline) = (
        podman("LD_PRELOAD", "http://a:1"),
        podman("https_proxy", "http://ann:x@a:1"),
        podman("https_proxy", "http://a:1\"]\n[engine.runtimes]"),
    );
    let of_another_kind = json!({
        "change": "set_engine_env",
        "file": {"file": "docker_daemon_json"},
        "environment": [["https_proxy", "http://a:1"]],
        "for_containers": true,
    });
    let engine = json!({"change": "install_file", "file": {"file": "engine_unit"}});
    let unit = json!({"change": "restart_unit", "unit": "sshd"});
    let own_unit = json!({"change": "restart_unit", "unit": "engine"});
    let builder = json!({
        "change": "recreate_builder",
        "instance": {"file": "buildx_instance", "path": "/root/.docker/buildx/instances/a"},
    });
    for change in [
        member,
        variable,
        elsewhere,
        users,
        preload,
        password,
        newline,
        of_another_kind,
        engine,
        unit,
        own_unit,
        builder,
    ] {
        assert!(
            matches!(refusal(&errand(&change)), ChangeError::Value { .. }),
            "{change}"
        );
    }
    refusal(&json!({"do": "run", "command": "sh"}));
}

#[test]
fn one_bad_errand_keeps_all_from_being_carried_out() {
    let request = json!({"do": "carry_out", "errands": [
        {"change": daemon_json("http://127.0.0.1:3182"), "restarts": [], "seen": null},
        {"change": {
            "change": "write_environment_drop_in",
            "file": {"file": "docker_drop_in"},
            "environment": [["HTTP_PROXY", "a\nb"]],
        }, "restarts": [], "seen": null},
    ]});
    assert!(matches!(refusal(&request), ChangeError::Value { .. }));
}

#[test]
fn a_request_without_end_is_refused() {
    let mut output = Vec::new();
    let endless = std::io::repeat(b' ');
    main(endless, &mut output).unwrap();
    let answer: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(answer["code"], "value_refused");
}

#[test]
fn what_a_user_runs_is_not_restarted_by_root() {
    let change = json!({"change": "restart_unit", "unit": "rootless_docker"});
    let error = refusal(&errand(&change));
    assert!(error.to_string().contains("not root's"), "{error}");
}
