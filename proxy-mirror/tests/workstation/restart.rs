//! What a restart of dockerd stops: said before, avoided where the user wants it so, and never done
//! in a swarm without a clear yes.

use testbed::{APP_IMAGE, Squid, Workstation};

use crate::office::{Office, gangway, set_up, state_of, succeed, text};

/// A container that runs, and then something new for dockerd to be told.
fn with_a_container(office: &Office) -> Workstation<'_> {
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    ws.sh(&format!("docker pull -q {APP_IMAGE}")).unwrap();
    ws.sh(&format!(
        "docker run --detach --name long {APP_IMAGE} sleep 600"
    ))
    .unwrap();
    succeed(&ws, &["set", "style", "mirror"]);
    ws
}

/// When the container was started, and whether it runs.
fn container(ws: &Workstation<'_>) -> String {
    let format = "{{.State.Running}} {{.State.StartedAt}} {{.State.Pid}}";
    ws.sh(&format!("docker inspect --format '{format}' long"))
        .unwrap()
}

#[test]
fn a_plan_says_how_many_containers_stop_and_live_restore_keeps_them() {
    let office = Office::open();
    let ws = with_a_container(&office);
    let plan = gangway(&ws, &["plan"]);
    assert_eq!(plan.status.code(), Some(2));
    let said = text(&plan.stdout);
    let stops = "restarts docker.service: 1 running containers stop";
    assert!(said.contains(stops), "{said}");

    let set = succeed(&ws, &["set", "live-restore", "yes"]);
    assert!(set.contains("containers keep running"), "{set}");
    let said = text(&gangway(&ws, &["plan"]).stdout);
    let keeps = "restarts docker.service: 1 containers keep running (live-restore)";
    assert!(said.contains(keeps), "{said}");
    assert!(said.contains("+  \"live-restore\": true"), "{said}");

    let (before, dockerd) = (container(&ws), "systemctl show --property=MainPID docker");
    let daemon = ws.sh(dockerd).unwrap();
    succeed(&ws, &["apply", "--yes"]);
    assert_ne!(ws.sh(dockerd).unwrap(), daemon);
    assert_eq!(container(&ws), before);
    assert_eq!(state_of(&ws, "docker-daemon"), "in_force");
    let in_force = ws.sh("docker info --format '{{.LiveRestoreEnabled}}'");
    assert_eq!(in_force.unwrap(), "true\n");

    succeed(&ws, &["undo", "docker-daemon", "--yes"]);
    let after = ws.sh("docker info --format '{{.LiveRestoreEnabled}} {{.HTTPProxy}}'");
    assert_eq!(after.unwrap(), "false \n");
    assert!(ws.sh("test -e /etc/docker/daemon.json").is_err());
    // The other target keeps what it was told, and this one is left alone.
    assert_eq!(state_of(&ws, "docker-daemon"), "untouched");
    let cli = ws.sh("cat /root/.docker/config.json").unwrap();
    assert!(cli.contains("httpProxy"), "{cli}");
}

#[test]
fn a_daemon_that_does_not_take_live_restore_is_not_restarted() {
    let office = Office::open();
    let ws = with_a_container(&office);
    succeed(&ws, &["set", "live-restore", "yes"]);
    // A unit that does not reload: nothing says that containers would outlive it.
    ws.write(
        "/etc/systemd/system/docker.service.d/reload.conf",
        "[Service]\nExecReload=\nExecReload=/bin/true\n",
    )
    .unwrap();
    ws.sh("systemctl daemon-reload").unwrap();
    let files = "cat /etc/docker/daemon.json";
    let (before, file) = (container(&ws), ws.sh(files).ok());
    let applied = gangway(&ws, &["apply", "--yes"]);
    assert!(!applied.status.success());
    let said = text(&applied.stderr);
    assert!(
        said.contains("dockerd does not say that live-restore is in force"),
        "{said}"
    );
    assert_eq!(container(&ws), before);
    let now = ws.sh(files).ok();
    assert!(
        now.is_none() || now == file,
        "{now:?} is neither what was there nor {file:?}"
    );
}

#[test]
fn a_machine_of_a_swarm_is_restarted_only_after_a_clear_yes() {
    let office = Office::open();
    let ws = with_a_container(&office);
    ws.sh("docker swarm init --advertise-addr 10.66.0.20")
        .unwrap();
    let blocked = || state_of(&ws, "docker-daemon");
    assert_eq!(blocked(), "blocked");
    let status = text(&gangway(&ws, &["status"]).stdout);
    assert!(status.contains("gangway set restart-swarm yes"), "{status}");
    let plan = text(&gangway(&ws, &["plan"]).stdout);
    assert!(!plan.contains("docker.service"), "{plan}");

    // Of live-restore, a swarm's dockerd does not start.
    succeed(&ws, &["set", "live-restore", "yes"]);
    succeed(&ws, &["set", "restart-swarm", "yes"]);
    succeed(&ws, &["apply", "--yes"]);
    assert_eq!(state_of(&ws, "docker-daemon"), "in_force");
    let node = ws.sh("docker info --format '{{.Swarm.LocalNodeState}}'");
    assert_eq!(node.unwrap(), "active\n");
}
