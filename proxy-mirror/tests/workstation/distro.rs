//! WSL2: each running distro is served through `wsl.exe`, and gives everything back.

use testbed::{APP_IMAGE, Squid, WSL_EXE};

use crate::office::{GANGWAY, Office, SOON, text};

#[test]
fn a_wsl_distros_docker_and_shells_get_out_and_undo_gives_its_files_back() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    let distro = ws.distro("Debian").unwrap();
    distro.trust(&office.ca).unwrap();
    distro
        .write("/etc/docker/daemon.json", "{\"debug\":false}")
        .unwrap();
    let look = "find /etc/docker /etc/profile.d /root/.docker /home/dev -printf '%p %M %U:%G\\n' 2>/dev/null | sort; \
                sha256sum /etc/docker/daemon.json";
    let before = distro.sh(look).unwrap();
    let gangway = |args: &str| {
        ws.sh(&format!("GANGWAY_WSL_EXE={WSL_EXE} {GANGWAY} {args}"))
            .unwrap_or_else(|error| {
                panic!(
                    "{error}\n{}",
                    ws.sh("journalctl -b --no-pager -u 'gangway*' | tail -n 20")
                        .unwrap()
                )
            })
    };
    gangway(&format!("set upstream http://{}", squid.address()));
    gangway("engine install --yes");
    gangway("apply --yes");

    let pulled = distro.exec("docker", &["pull", "-q", APP_IMAGE]).unwrap();
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));
    squid
        .logged("CONNECT registry.example.test:443", SOON)
        .unwrap();
    let info = distro.sh("docker info --format '{{.HTTPSProxy}}'").unwrap();
    assert_eq!(info, "http://172.28.80.1:3182\n");
    for shell in [
        "bash -lc",
        "docker run --rm registry.example.test/app:1 sh -c",
    ] {
        let fetched = distro.sh(&format!(
            "{shell} 'curl -sS -m 20 http://web.example.test/hello https://web.example.test/hello'"
        ));
        let fetched = fetched.unwrap();
        assert!(
            fetched.contains("hello from http://web.example.test"),
            "{shell}: {fetched}"
        );
        assert!(
            fetched.contains("hello from https://web.example.test"),
            "{shell}: {fetched}"
        );
    }

    gangway("undo --yes");
    distro.sh("rm -rf /root/.docker/buildx").unwrap();
    assert_eq!(distro.sh(look).unwrap(), before);
}
