//! A plan says what will be done, and only that is done.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use proxy_mirror::change::plan::build;
use proxy_mirror::change::{Change, ChangeError, Desks, UnitId, execute};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::sandbox::{
    DAEMON_JSON, Sandbox, cli_config, containers_conf, daemon_json, drop_in, proposal,
};

#[test]
fn a_plan_is_carried_out_only_on_the_machine_that_it_was_made_for() {
    let machine = Sandbox::new();
    let file = machine.write("etc/docker/daemon.json", "{}");
    let planned = machine.plan(&[daemon_json()]);
    std::fs::write(&file, "{\"debug\": true}").unwrap();
    let before = machine.picture();
    let error = execute(&machine.desks, &planned, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ChangeError::Stale { .. }), "{error}");
    assert_eq!(machine.picture(), before);
    assert_ne!(machine.plan(&[daemon_json()]).view.id, planned.view.id);
}

#[test]
fn what_is_already_so_is_no_step() {
    let machine = Sandbox::new();
    machine.apply(&[daemon_json()]).unwrap();
    let planned = machine.plan(&[daemon_json()]);
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
        let conf = machine.write("home/containers.conf", "[engine]\r\nenv = [\"A=b\"]");
        let changes = [
            daemon_json(),
            drop_in("http://127.0.0.1:3182"),
            cli_config(&cli),
            containers_conf(&conf),
        ];
        let copy = machine.copy();
        let diff = machine.plan(&changes).view.diff;
        // The user's file lies below the sandbox itself, which is the root of the copy.
        let diff = diff.replace(machine.root().to_str().unwrap(), "");
        copy.patch(&diff);
        machine.apply(&changes).unwrap();
        assert_eq!(copy.files(), machine.files(), "{diff}");
    }
}

#[test]
fn a_user_without_root_cannot_be_told_a_plan_that_hides_it() {
    let machine = Sandbox::new();
    let desks = Desks {
        root: false,
        ..machine.desks.clone()
    };
    let proposal = proposal("docker-daemon", &[daemon_json()]);
    assert!(build(&desks, vec![proposal]).view.needs_root);
}

#[test]
fn a_target_whose_file_is_malformed_is_refused_alone() {
    let machine = Sandbox::new();
    machine.stand_in_for_systemctl();
    let broken = machine.write("etc/docker/daemon.json", "{\n  \"a\": tru\n}\n");
    let cli = machine.write("home/config.json", "{}");
    let restart = Change::RestartUnit {
        unit: UnitId::Docker,
    };
    let daemon = [drop_in("http://127.0.0.1:3182"), daemon_json(), restart];
    let planned = build(
        &machine.desks,
        vec![
            proposal("docker-daemon", &daemon),
            proposal("docker-cli", &[cli_config(&cli)]),
        ],
    );
    let [refused] = planned.view.refused.as_slice() else {
        panic!("{:#?}", planned.view);
    };
    assert_eq!(refused.target.0, "docker-daemon");
    let message = &refused.problem.message;
    assert!(message.contains("daemon.json:2:8: "), "{message}");
    let done = execute(&machine.desks, &planned, &mut |_| {}).unwrap();
    let whose: Vec<_> = done.iter().map(|step| step.target.0.as_str()).collect();
    assert_eq!(whose, ["docker-cli"], "not even its restart");
    let text = std::fs::read_to_string(&cli).unwrap();
    assert!(text.contains("httpProxy"), "{text}");
    assert_eq!(
        std::fs::read_to_string(&broken).unwrap(),
        "{\n  \"a\": tru\n}\n"
    );
    let folder = machine.root().join("etc/systemd/system/docker.service.d");
    assert!(!folder.exists(), "nor its other file");
}

#[test]
fn a_target_whose_file_this_user_may_not_read_is_refused_alone_and_says_who_may() {
    let machine = Sandbox::new();
    let secret = machine.write("etc/docker/daemon.json", "{}");
    let cli = machine.write("home/config.json", "{}");
    let proposals = vec![
        proposal("docker-daemon", &[daemon_json()]),
        proposal("docker-cli", &[cli_config(&cli)]),
    ];
    // Root, too, but for what lets it pass by the mode: of this thread alone.
    let planned = std::thread::scope(|scope| {
        let plan = scope.spawn(|| {
            std::fs::set_permissions(&secret, Permissions::from_mode(0o0)).unwrap();
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, none).unwrap();
            build(&machine.desks, proposals)
        });
        plan.join().unwrap()
    });
    let [refused] = planned.view.refused.as_slice() else {
        panic!("{:#?}", planned.view);
    };
    assert_eq!(refused.target.0, "docker-daemon");
    assert_eq!(refused.problem.code, "file_forbidden");
    let message = &refused.problem.message;
    assert!(
        message.contains("daemon.json") && message.contains("as root"),
        "{message}"
    );
    let whose: Vec<_> = planned
        .view
        .steps
        .iter()
        .map(|step| step.target.0.as_str())
        .collect();
    assert_eq!(whose, ["docker-cli"]);
}

#[test]
fn a_plan_shows_no_password_of_somebody_else() {
    let machine = Sandbox::new();
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.json");
    let one_line = r#"{"auths": {"r.test": {"auth": "c2VjcmV0"}}, "proxies": {"default": {"httpProxy": "http://ann:hunter2@old.test:1"}}}"#;
    std::fs::write(&config, one_line).unwrap();
    let diff = machine.plan(&[cli_config(&config)]).view.diff;
    assert!(diff.contains("http://ann:***@old.test:1"), "{diff}");
    assert!(
        !diff.contains("hunter2") && !diff.contains("c2VjcmV0"),
        "{diff}"
    );
}
