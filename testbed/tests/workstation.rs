//! The workstation keeps its promises.

mod workstation {
    use std::time::Duration;

    use testbed::{APP_IMAGE, Ca, CorpNet, Origin, Registry, Squid, Workstation};

    #[test]
    fn docker_runs_and_nothing_gets_out() {
        let corp = CorpNet::new().unwrap();
        let ws = Workstation::start(&corp).unwrap();
        let info = ws
            .sh("docker info --format '{{.ServerVersion}} {{.Driver}}'")
            .unwrap();
        assert!(info.starts_with("26."), "{info}");
        assert!(info.contains("overlay2"), "{info}");
        let found = ws.sh("getent ahostsv4 web.example.test").unwrap();
        assert!(found.contains("203.0.113.10"), "{found}");
        let direct = ws
            .exec("curl", &["-sS", "-m", "5", "http://web.example.test/"])
            .unwrap();
        assert!(!direct.status.success());
    }

    #[test]
    fn only_the_companys_proxy_leads_to_the_registry() {
        let corp = CorpNet::new().unwrap();
        let ca = Ca::new().unwrap();
        let _registry = Registry::start(&corp, &ca).unwrap();
        let _origin = Origin::start(&corp, &ca).unwrap();
        let squid = Squid::start(&corp).unwrap();
        let ws = Workstation::start(&corp).unwrap();
        ws.trust(&ca).unwrap();
        let pull = ["pull", "-q", APP_IMAGE];
        assert!(!ws.exec("docker", &pull).unwrap().status.success());

        let proxies = format!(
            r#"{{"proxies":{{"https-proxy":"http://{}"}}}}"#,
            squid.address()
        );
        ws.write("/etc/docker/daemon.json", proxies).unwrap();
        ws.sh("systemctl restart docker").unwrap();
        let pulled = ws.exec("docker", &pull).unwrap();
        assert!(pulled.status.success(), "{pulled:?}");
        squid
            .logged("CONNECT registry.example.test:443", Duration::from_secs(5))
            .unwrap();

        let fetch = format!(
            "docker run --rm -e http_proxy=http://{0} -e https_proxy=http://{0} {APP_IMAGE} \
             curl -sS -m 10 http://web.example.test/hello https://web.example.test/hello",
            squid.address()
        );
        let fetched = ws.sh(&fetch).unwrap();
        assert!(
            fetched.contains("hello from http://web.example.test"),
            "{fetched}"
        );
        assert!(
            fetched.contains("hello from https://web.example.test"),
            "{fetched}"
        );
    }

    #[test]
    fn what_it_wrote_is_there_after_a_restart_and_after_a_power_cut() {
        let corp = CorpNet::new().unwrap();
        let mut ws = Workstation::start(&corp).unwrap();
        ws.write("/etc/docker/daemon.json", "{}\n").unwrap();
        ws.sh("sync").unwrap();
        for cycle in [Workstation::restart, Workstation::power_cycle] {
            cycle(&mut ws).unwrap();
            assert_eq!(ws.sh("cat /etc/docker/daemon.json").unwrap(), "{}\n");
            ws.sh("docker info").unwrap();
        }
    }

    #[test]
    fn a_dropped_workstation_leaves_no_process_and_no_disk() {
        let corp = CorpNet::new().unwrap();
        let ws = Workstation::start(&corp).unwrap();
        let (name, pid) = (ws.name().to_owned(), ws.pid());
        drop(ws);
        assert!(!std::path::Path::new("/proc").join(pid.to_string()).exists());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&name));
        for top in [
            testbed::state().join("machines"),
            "/sys/fs/cgroup".into(),
            "/sys/fs/cgroup/unified".into(),
        ] {
            assert!(!top.join(&name).exists(), "{} has {name}", top.display());
        }
    }
}
