//! The workstation keeps its promises.

mod workstation {
    use std::time::Duration;

    use testbed::{APP_IMAGE, Ca, CorpNet, Origin, Registry, Squid, WSL_EXE, Workstation};

    #[test]
    fn docker_runs_and_nothing_gets_out() {
        let corp = CorpNet::new().unwrap();
        // There is somebody who would answer.
        let _origin = Origin::start(&corp, &Ca::new().unwrap()).unwrap();
        let ws = Workstation::start(&corp).unwrap();
        let info = ws
            .sh("docker info --format '{{.ServerVersion}} {{.Driver}}'")
            .unwrap();
        assert!(info.starts_with("26."), "{info}");
        assert!(info.contains("overlay2"), "{info}");
        let found = ws.sh("getent ahostsv4 web.example.test").unwrap();
        assert!(found.contains("203.0.113.10"), "{found}");
        let direct = ws
            .exec("curl", &["-sS", "-m", "5", "http://web.example.test/hello"])
            .unwrap();
        assert!(!direct.status.success(), "{direct:?}");
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
    fn a_distro_is_reached_through_wsl_exe_alone_and_stands_behind_the_workstation() {
        let corp = CorpNet::new().unwrap();
        let ws = Workstation::start(&corp).unwrap();
        let none = ws
            .exec(WSL_EXE, &["--list", "--running", "--quiet"])
            .unwrap();
        assert!(!none.status.success());
        let distro = ws.distro("Debian").unwrap();
        let listed = ws
            .exec(WSL_EXE, &["--list", "--running", "--quiet"])
            .unwrap();
        let wide: Vec<u8> = "Debian\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(listed.stdout, wide);

        let run = |line: &str| ws.sh(&format!("{WSL_EXE} -d Debian {line}"));
        assert_eq!(run("-u root --exec cat /proc/1/comm").unwrap(), "systemd\n");
        assert_eq!(run("--exec id -un").unwrap(), "dev\n");
        assert_eq!(
            distro.sh("ip -4 route show default").unwrap(),
            "default via 172.28.80.1 dev eth0 \n"
        );
        assert!(
            run("-u root --exec docker info")
                .unwrap()
                .contains("Server Version: 26.")
        );
        assert!(
            distro
                .sh("getent ahostsv4 web.example.test")
                .unwrap()
                .contains("203.0.113.10")
        );

        let refused = ws.exec(WSL_EXE, &["-d", "Nope", "--exec", "true"]).unwrap();
        assert_eq!(refused.status.code(), Some(255));
        let said: Vec<u16> = refused
            .stdout
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        assert!(
            String::from_utf16(&said)
                .unwrap()
                .starts_with("There is no distribution")
        );
    }

    #[test]
    fn a_pod_in_a_kind_like_node_resolves_and_gets_no_further() {
        let (corp, ca) = (CorpNet::new().unwrap(), Ca::new().unwrap());
        let _registry = Registry::start(&corp, &ca).unwrap();
        // There is somebody who would answer.
        let _origin = Origin::start(&corp, &ca).unwrap();
        let squid = Squid::start(&corp).unwrap();
        let ws = Workstation::start(&corp).unwrap();
        ws.trust(&ca).unwrap();
        let proxies = format!(
            r#"{{"proxies":{{"https-proxy":"http://{}"}}}}"#,
            squid.address()
        );
        ws.write("/etc/docker/daemon.json", proxies).unwrap();
        ws.sh(&format!(
            "systemctl restart docker; docker pull -q {APP_IMAGE}"
        ))
        .unwrap();
        let node = ws.kind_node().unwrap();
        let found = node
            .pod("getent", &["ahostsv4", "web.example.test"])
            .unwrap();
        assert!(
            String::from_utf8_lossy(&found.stdout).contains("203.0.113.10"),
            "{found:?}"
        );
        let direct = node
            .pod("curl", &["-sS", "-m", "5", "http://web.example.test/hello"])
            .unwrap();
        assert!(!direct.status.success(), "{direct:?}");
    }

    #[test]
    fn a_killed_test_takes_its_workstation_along_and_the_next_removes_its_disk() {
        const VICTIM: &str = "GANGWAY_TESTBED_VICTIM";
        const NAME: &str =
            "workstation::a_killed_test_takes_its_workstation_along_and_the_next_removes_its_disk";
        if std::env::var_os(VICTIM).is_some() {
            let corp = CorpNet::new().unwrap();
            let ws = Workstation::start(&corp).unwrap();
            println!("pid={}", ws.pid());
            std::thread::park();
        }
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap());
        victim
            .args(["--exact", NAME, "--nocapture"])
            .env(VICTIM, "1");
        let mut victim = victim.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let said = std::io::BufReader::new(victim.stdout.take().unwrap());
        let mut lines = std::io::BufRead::lines(said).map_while(Result::ok);
        let pid = lines.find_map(|line| line.split_once("pid=").map(|(_, pid)| pid.to_owned()));
        let init = std::path::Path::new("/proc").join(pid.unwrap());
        victim.kill().unwrap();
        victim.wait().unwrap();
        // A zombie has no root any more; whoever adopted it may be slow to reap it.
        let gone = || (!init.join("root/etc").exists()).then_some(());
        testbed::wait_for("its workstation ends", Duration::from_secs(10), gone).unwrap();

        let corp = CorpNet::new().unwrap();
        let _ws = Workstation::start(&corp).unwrap();
        let left = std::fs::read_dir(testbed::state().join("machines"))
            .unwrap()
            .flatten();
        let of_victim = format!("gw{}-", victim.id());
        let mut names = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
        assert!(!names.any(|name| name.starts_with(&of_victim)));
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
