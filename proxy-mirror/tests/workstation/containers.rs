//! Docker itself: pulls, containers and builds.

use testbed::{APP_IMAGE, Squid};

use crate::office::{Office, SOON, gangway, set_up, state_of, text};

#[test]
fn after_one_command_docker_pulls_runs_and_builds_through_the_companys_proxy() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    let before = ws.exec("docker", &["pull", "-q", APP_IMAGE]).unwrap();
    assert!(!before.status.success());

    set_up(&ws, squid.address());

    let pulled = ws.exec("docker", &["pull", "-q", APP_IMAGE]).unwrap();
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));
    squid
        .logged("CONNECT registry.example.test:443", SOON)
        .unwrap();
    let info = ws
        .sh("docker info --format '{{.HTTPProxy}} {{.HTTPSProxy}}'")
        .unwrap();
    assert_eq!(info, "http://127.0.0.1:3182 http://127.0.0.1:3182\n");
    assert_eq!(state_of(&ws, "docker-daemon"), "in_force");
    assert_eq!(state_of(&ws, "docker-cli"), "in_force");
    let status = gangway(&ws, &["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stdout));

    // Containers are told the relay, and use it: curl obeys the variables.
    let told = ws.sh(&format!("docker run --rm {APP_IMAGE} env")).unwrap();
    assert!(told.contains("http_proxy=http://172.17.0.1:3182"), "{told}");
    for scheme in ["http", "https"] {
        let fetched = ws
            .sh(&format!(
                "docker run --rm {APP_IMAGE} curl -sS -m 20 {scheme}://web.example.test/hello"
            ))
            .unwrap();
        assert!(
            fetched.contains(&format!("hello from {scheme}://web.example.test")),
            "{fetched}"
        );
    }
    squid.logged("CONNECT web.example.test:443", SOON).unwrap();
    squid
        .logged("GET http://web.example.test/hello", SOON)
        .unwrap();

    ws.write(
        "/root/app/Dockerfile",
        format!(
            "FROM {APP_IMAGE}\n\
             RUN curl -sSf -m 20 -o /a https://web.example.test/bytes/100000 && \
             curl -sSf -m 20 -o /b http://web.example.test/bytes/100000\n"
        ),
    )
    .unwrap();
    let built = ws
        .exec("docker", &["build", "--tag", "built", "/root/app"])
        .unwrap();
    assert!(built.status.success(), "{}", text(&built.stderr));
    let sizes = ws.sh("docker run --rm built stat -c %s /a /b").unwrap();
    assert_eq!(sizes, "100000\n100000\n");
}
