//! A machine that never had Docker.

use testbed::Squid;

use crate::office::{Office, SOON, gangway, set_up, state_of, text};

#[test]
fn without_docker_its_targets_are_not_installed_and_the_rest_works() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    ws.sh("systemctl disable --now docker.service docker.socket\n\
         rm -rf /usr/bin/docker /usr/sbin/dockerd /etc/docker /root/.docker /run/docker.sock")
        .unwrap();

    set_up(&ws, squid.address());

    for target in ["docker-daemon", "docker-cli", "clusters"] {
        assert_eq!(state_of(&ws, target), "not_installed", "{target}");
    }
    let status = gangway(&ws, &["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stdout));
    assert!(
        text(&status.stdout).contains("not installed"),
        "{}",
        text(&status.stdout)
    );
    let look = "ls -d /etc/docker /root/.docker 2>/dev/null || true";
    assert_eq!(ws.sh(look).unwrap(), "", "nothing is made for it");
    let fetched = ws
        .sh("curl -sS -m 20 -x http://127.0.0.1:3182 https://web.example.test/hello")
        .unwrap();
    assert!(fetched.contains("hello from https"), "{fetched}");
    squid.logged("CONNECT web.example.test:443", SOON).unwrap();
}
