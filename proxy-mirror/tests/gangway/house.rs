//! A user of the test's own: home, settings, runtime folder, Docker configuration; no Docker, no
//! keychain, no proxy in the environment but what the test sets.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::Session;

/// Whatever a test waits for comes within this, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct House {
    session: Session,
    pub(crate) relay_port: u16,
    environment: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    /// An empty house whose relay has a port of its own, and whose machine-wide targets are left
    /// alone: tests change nothing outside of it.
    pub(crate) fn new() -> Self {
        Self::of(Session::headless().unwrap())
    }

    /// The same with a session bus and a keychain.
    pub(crate) fn with_keychain() -> Self {
        Self::of(Session::with_keyring().unwrap())
    }

    fn of(session: Session) -> Self {
        let house = Self {
            session,
            relay_port: free_port(),
            environment: Vec::new(),
        };
        std::fs::create_dir_all(house.docker_folder()).unwrap();
        house.write_settings("");
        house
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.session.runtime_dir().join("gangway/agent.sock")
    }

    pub(crate) fn home(&self) -> &Path {
        self.session.home()
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.session.config_home().join("gangway/settings.toml")
    }

    pub(crate) fn docker_folder(&self) -> PathBuf {
        self.session.root().join("docker")
    }

    pub(crate) fn docker_config(&self) -> PathBuf {
        self.docker_folder().join("config.json")
    }

    pub(crate) fn containers_conf(&self) -> PathBuf {
        self.session
            .config_home()
            .join("containers/containers.conf")
    }

    /// Settings that begin with `top`, then what keeps the test in its house: no target is touched.
    pub(crate) fn write_settings(&self, top: &str) {
        self.write(
            top,
            "[\"docker-daemon\", \"docker-cli\", \"podman\", \"clusters\"]",
        );
    }

    /// The same, but the Docker CLI's file, which is the house's own, is told the proxy itself.
    pub(crate) fn mirror_into_cli(&self, upstream: &str) {
        let top = format!("mode = \"manual\"\nstyle = \"mirror\"\nupstream = \"{upstream}\"");
        self.write(&top, "[\"docker-daemon\", \"podman\", \"clusters\"]");
    }

    /// The same for Podman's file.
    pub(crate) fn mirror_into_podman(&self, upstream: &str) {
        self.podman(&format!("style = \"mirror\"\nupstream = \"{upstream}\""));
    }

    /// Podman's file is told the relay, whose upstream this is.
    pub(crate) fn relay_to_podman(&self, upstream: &str) {
        self.podman(&format!("upstream = \"{upstream}\""));
    }

    fn podman(&self, top: &str) {
        let top = format!("mode = \"manual\"\n{top}");
        self.write(&top, "[\"docker-daemon\", \"docker-cli\", \"clusters\"]");
    }

    fn write(&self, top: &str, leave_alone: &str) {
        let port = self.relay_port;
        let file = self.settings_file();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = format!(
            "{top}\nleave_alone = {leave_alone}\n[relay]\nport = {port}\n[intercept]\nenabled = false\n"
        );
        std::fs::write(file, text).unwrap();
    }

    /// Sets a variable for every command from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let nowhere = |name: &str| self.session.root().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_gangway"));
        command.args(arguments).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        self.session.enter(&mut command);
        command
            .env("DOCKER_CONFIG", self.docker_folder())
            // Root's Podman is else configured by the machine's own file.
            .env("CONTAINERS_CONF", self.containers_conf())
            .env(
                "DOCKER_HOST",
                format!("unix://{}", nowhere("no-docker.sock").display()),
            )
            .env("GANGWAY_WSL_EXE", nowhere("no-wsl.exe"))
            .env("LANG", "C.UTF-8")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command with `--json`, and asserts how it ends and what its output is.
    pub(crate) fn json(&self, arguments: &[&str], code: i32, schema: &str) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let said = self.run(&all);
        assert_eq!(said.code, code, "{all:?}: {}{}", said.out, said.err);
        let value: Value = serde_json::from_str(&said.out)
            .unwrap_or_else(|error| panic!("{all:?}: {error}: {}{}", said.out, said.err));
        super::schemas::assert_valid(schema, &value);
        value
    }

    /// Starts an agent and waits until it answers.
    pub(crate) fn agent(&self) -> Agent {
        Agent::start(self.command(&["run", "--json"]))
    }

    /// An agent whose relay listens: its first status may come before that.
    pub(crate) fn listening_agent(&self) -> Agent {
        let mut agent = self.agent();
        let relay = format!("127.0.0.1:{}", self.relay_port);
        agent.until("the relay listens", |status| {
            status["engine"]["listening"] == json!([relay])
        });
        agent
    }

    /// Every file of the house, with its content.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        walk(self.session.root(), &mut files);
        files
    }
}

fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), files);
        } else if kind.is_file() {
            files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A running `gangway run --json`; killed when dropped.
pub(crate) struct Agent {
    child: Child,
    statuses: Receiver<Value>,
    last: Value,
}

impl Agent {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, statuses) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line)
                    && tell.send(value).is_err()
                {
                    return;
                }
            }
        });
        let mut agent = Self {
            child,
            statuses,
            last: Value::Null,
        };
        agent.until("the first status", |_| true);
        agent
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The newest status that was seen if it `holds`, else the next one that does.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            if !self.last.is_null() && holds(&self.last) {
                return self.last.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.statuses.recv_timeout(left) {
                Ok(status) => self.last = status,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{what}: not seen; last: {:#}", self.last)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!(
                        "{what}: the agent ended: {:?}; last: {:#}",
                        self.child.wait(),
                        self.last
                    )
                }
            }
        }
    }

    /// Sends a signal, as `kill` does.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the agent did not end");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
