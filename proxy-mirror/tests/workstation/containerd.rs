//! containerd, where Kubernetes or nerdctl pull by it.

use testbed::{APP_IMAGE, Squid, Workstation};

use crate::office::{Office, gangway, set_up, state_of, status, succeed, text};

/// The proxies in the environment of the process itself.
fn environment(ws: &Workstation<'_>) -> String {
    ws.sh("tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID containerd)/environ | grep -i proxy | sort; true")
        .unwrap()
}

#[test]
fn containerd_is_told_the_relay_where_something_pulls_by_it_and_its_containers_keep_running() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    // Docker's own pulls go another way.
    assert_eq!(state_of(&ws, "containerd"), "not_installed");
    ws.sh(&format!(
        "docker pull -q {APP_IMAGE}; docker run --detach --name long {APP_IMAGE} sleep 600"
    ))
    .unwrap();
    let running = || {
        ws.sh("docker inspect --format '{{.State.Running}} {{.State.StartedAt}}' long")
            .unwrap()
    };
    let before = running();

    ws.sh("install -m 755 /bin/true /usr/local/bin/nerdctl")
        .unwrap();
    assert_eq!(state_of(&ws, "containerd"), "differs");
    let plan = text(&gangway(&ws, &["plan"]).stdout);
    let harmless = "restarts containerd.service: its containers keep running";
    assert!(plan.contains(harmless), "{plan}");
    assert!(!plan.contains("docker.service"), "{plan}");
    succeed(&ws, &["apply", "--yes"]);
    assert_eq!(state_of(&ws, "containerd"), "in_force");
    let told = environment(&ws);
    for wanted in [
        "HTTP_PROXY=http://127.0.0.1:3182",
        "HTTPS_PROXY=http://127.0.0.1:3182",
        "NO_PROXY=",
    ] {
        assert!(told.contains(wanted), "{told}");
    }
    assert_eq!(running(), before);

    // What is written and not read yet is not in force.
    let drop_in = "/etc/systemd/system/containerd.service.d/gangway.conf";
    ws.sh(&format!(
        "sleep 1.1; touch {drop_in}; systemctl daemon-reload"
    ))
    .unwrap();
    assert_eq!(state_of(&ws, "containerd"), "not_in_force");
    succeed(&ws, &["apply", "--yes"]);
    assert_eq!(state_of(&ws, "containerd"), "in_force");
    // Somebody else's file that sorts after ours has the last word.
    let theirs = "/etc/systemd/system/containerd.service.d/http-proxy.conf";
    ws.write(
        theirs,
        "[Service]\nEnvironment=HTTPS_PROXY=http://old.test:1\n",
    )
    .unwrap();
    ws.sh("systemctl daemon-reload").unwrap();
    let blocked = status(&ws).to_string();
    assert!(
        blocked.contains("http-proxy.conf sets HTTPS_PROXY too"),
        "{blocked}"
    );
    ws.sh(&format!("rm {theirs}; systemctl daemon-reload"))
        .unwrap();

    succeed(&ws, &["undo", "containerd", "--yes"]);
    assert_eq!(environment(&ws), "");
    assert!(ws.sh(&format!("test -e {drop_in}")).is_err());
    assert_eq!(running(), before);
}
