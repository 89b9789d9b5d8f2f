//! A Docker daemon of the test's own, in a network namespace of its own: it makes no bridge and no
//! rule on this machine.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Dockerd {
    folder: tempfile::TempDir,
    child: Child,
}

impl Dockerd {
    pub(crate) fn start(environment: &[(String, String)]) -> Self {
        let installed = ["/usr/sbin/dockerd", "/usr/bin/dockerd"];
        let installed = installed.iter().any(|path| Path::new(path).exists());
        assert!(
            rustix::process::geteuid().is_root() && installed,
            "this test starts a Docker daemon: run it as root, with docker.io installed"
        );
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(folder.path(), environment);
        let mut this = Self { folder, child };
        this.wait_until_it_answers();
        this
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// The socket of a daemon that says it is Engine 20. Debian 12 has one; where the installed one
    /// is newer, its own word on its version is changed on the way (a stand-in: nothing but that
    /// differs, and an environment holds with a newer one, too).
    pub(crate) fn socket_of_an_old_one(&self) -> PathBuf {
        let version = self.docker(&["version", "--format", "{{.Server.Version}}"]);
        if version.starts_with("20.") {
            return self.socket();
        }
        let old = self.folder.path().join("old.sock");
        let listener = UnixListener::bind(&old).unwrap();
        let socket = self.socket();
        let major: String = version.chars().take(2).collect();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Between two starts nobody is there: as if nobody listened here.
                let Ok(daemon) = UnixStream::connect(&socket) else {
                    continue;
                };
                let said = format!("\"ServerVersion\":\"{major}.");
                pass(
                    client.try_clone().unwrap(),
                    daemon.try_clone().unwrap(),
                    String::new(),
                );
                pass(daemon, client, said);
            }
        });
        old
    }

    pub(crate) fn restart(&mut self, environment: &[(String, String)]) {
        self.stop();
        self.child = spawn(self.folder.path(), environment);
        self.wait_until_it_answers();
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let host = format!("unix://{}", self.socket().display());
        let output = Command::new("docker")
            .args(["-H", &host])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let host = format!("unix://{}", self.socket().display());
        loop {
            let asked = Command::new("docker")
                .args(["-H", &host, "info"])
                .output()
                .unwrap();
            if asked.status.success() && !String::from_utf8_lossy(&asked.stdout).contains("ERROR") {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "dockerd does not answer:\n{log}"
            );
        }
    }

    fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // Gone already is gone.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Passes bytes on until they end; where they say `version`, they say 20 in its place.
fn pass(mut from: UnixStream, mut to: UnixStream, version: String) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while let Ok(read) = from.read(&mut buffer)
            && read > 0
        {
            let bytes = &mut buffer[..read];
            let found = bytes
                .windows(version.len().max(1))
                .position(|window| window == version.as_bytes());
            if let Some(at) = found {
                let digits = at + version.len() - 3;
                bytes[digits..digits + 2].copy_from_slice(b"20");
            }
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

fn spawn(folder: &Path, environment: &[(String, String)]) -> Child {
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::write(folder.join("daemon.json"), "{}").unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new("unshare");
    command
        .args([
            "--net",
            "dockerd",
            "--config-file",
            &at("daemon.json"),
            "--bridge=none",
            "--iptables=false",
        ])
        .args([
            "--ip-forward=false",
            "--data-root",
            &at("data"),
            "--exec-root",
            &at("exec"),
        ])
        .args([
            "--host",
            &format!("unix://{}", at("sock")),
            "--pidfile",
            &at("pid"),
        ])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.spawn().unwrap()
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.stop();
    }
}
