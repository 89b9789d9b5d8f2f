//! A node with the engine as it is installed, between its pod and the company's proxy.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proxy_engine::config::Policy;
use proxy_engine::control::client::{Client as Control, ClientError};
use proxy_engine::control::{InterceptionState, Status};
use rustix::process::{Pid, Signal, kill_process};
use testbed::net::POD_BRIDGE;
use testbed::{Child, Row, wait_for};

use super::residue::Residue;
use crate::error::{BenchError, Result};
use crate::hello::Command;
use crate::load::Client;
use crate::origin::{self, BY_CONNECT, Origin, UPSTREAM};
use crate::peer;
use crate::process::Process;

/// Where the engine serves clients that know it.
pub(super) const RELAY: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 244, 0, 1), 3182));
const TRANSPARENT: &str = "0.0.0.0:3183";
/// `nobody`.
const UNPRIVILEGED: u32 = 65534;
const READY: Duration = Duration::from_secs(20);
/// After the last client left: connections wait 2 s for what a client may still send, engines
/// end with their last one, the allocator gives back.
const SETTLED: Duration = Duration::from_secs(30);
/// The last so many bytes of the log are shown.
const WORDS: usize = 4000;
/// A log that a month of trouble fills further fills a disk.
const LOG: u64 = 8 << 20;

/// All of it; goes when dropped.
pub(super) struct Office {
    // Dropped in this order: what runs in the machines before the machines.
    engine: Option<Child>,
    broker: Option<Child>,
    origin: Mutex<Option<Origin>>,
    row: Row,
    folder: tempfile::TempDir,
    control: Control,
}

impl Office {
    /// The machines, with the company's proxy, and nothing of ours yet.
    pub(super) fn open() -> Result<Self> {
        let row = Row::new(&origin::addresses())?;
        let folder = tempfile::Builder::new()
            .prefix("gangway-soak-")
            .tempdir()
            .map_err(BenchError::io("make a folder for the engine"))?;
        let prepared = || {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
            let owner = Some(UNPRIVILEGED);
            std::os::unix::fs::chown(folder.path(), owner, owner)?;
            // That user may not be able to reach the build's folder.
            fs::copy(
                peer::engine().map_err(io::Error::other)?,
                folder.path().join("proxy-engine"),
            )
        };
        prepared().map_err(BenchError::io("prepare the engine's folder"))?;
        Ok(Self {
            engine: None,
            broker: None,
            origin: Mutex::new(Some(Origin::start(&row)?)),
            control: Control::new(folder.path().join("engine.sock")),
            row,
            folder,
        })
    }

    /// The same, with the broker and the engine at work.
    pub(super) fn with_engine(mut self) -> Result<Self> {
        let (program, socket) = (self.path("proxy-engine"), self.path("broker.sock"));
        let user = UNPRIVILEGED.to_string();
        let mut broker = self.row.node.command(&program);
        broker
            .args(["broker", "--engine-uid", &user, "--socket"])
            .arg(&socket);
        self.broker = Some(self.start(broker)?);
        wait_for("the broker's socket", READY, || {
            socket.exists().then_some(())
        })?;
        let mut engine = self.row.node.command("setpriv");
        engine.args([format!("--reuid={user}"), format!("--regid={user}")]);
        engine.args(["--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        engine.arg(&program).arg("run").arg("--broker").arg(&socket);
        engine.arg("--control").arg(self.control.socket());
        engine.args(["--listen", &RELAY.to_string(), "--transparent", TRANSPARENT]);
        engine.args([
            "--intercept",
            POD_BRIDGE,
            "--upstream",
            &format!("http://{UPSTREAM}"),
        ]);
        self.engine = Some(self.start(engine)?);
        self.is_intercepting(READY)?;
        self.gets_through(READY)?;
        Ok(self)
    }

    fn start(&self, mut command: std::process::Command) -> Result<Child> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .map_err(BenchError::io("open the log"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.env("RUST_LOG", "info");
        Ok(Child::spawn(command)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `work` in the pod, on a thread of its own.
    pub(super) fn in_the_pod<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.row.pod.enter(work)?
    }

    /// The node's firewall as `nft` shows it.
    pub(super) fn rules(&self) -> Result<String> {
        Ok(self.row.node.sh("nft list ruleset")?)
    }

    /// The process that serves at the moment.
    pub(super) fn pid(&self) -> Result<u32> {
        Ok(self.status()?.pid)
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> Result<Policy> {
        Ok(self.status()?.policy)
    }

    /// Puts a policy in force.
    pub(super) fn put(&self, policy: &Policy) -> Result<()> {
        ask(self.control.set_policy(policy))
    }

    fn status(&self) -> Result<Status> {
        ask(self.control.status())
    }

    /// Waits until the engine that serves intercepts, too.
    pub(super) fn is_intercepting(&self, within: Duration) -> Result<()> {
        let is_on = || {
            let state = self.status().ok()?.interception;
            matches!(state, InterceptionState::On { .. }).then_some(())
        };
        Ok(wait_for("interception", within, is_on)?)
    }

    /// Waits until a new connection gets through, intercepted and not.
    pub(super) fn gets_through(&self, within: Duration) -> Result<()> {
        for proxy in [Some(RELAY), None] {
            let mut last = String::new();
            let mut through = || {
                let client = Client::new(proxy, |_| BY_CONNECT).patient(within);
                let tried = self.in_the_pod(move || {
                    let exchange = super::runtime()?.block_on(client.exchange(Command::Close));
                    exchange.map_err(BenchError::io("a new connection"))
                });
                tried.map_err(|error| last = error.to_string()).ok()
            };
            if wait_for("a new connection", within, &mut through).is_err() {
                return Err(BenchError::Unexpected(format!(
                    "no new connection gets through within {within:?}: {last}"
                )));
            }
        }
        Ok(())
    }

    /// The company's proxy ends, with every connection through it.
    pub(super) fn stop_upstream(&self) {
        let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        *origin = None;
    }

    /// And begins again.
    pub(super) fn start_upstream(&self) -> Result<()> {
        let mut origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        *origin = Some(Origin::start(&self.row)?);
        Ok(())
    }

    /// What the engine that serves holds.
    pub(super) fn residue(&self) -> Result<Residue> {
        let status = self.status()?;
        let engines = self.engines()?.len();
        Residue::of(Process::new(status.pid), status.connections.open, engines)
    }

    /// Every process of an engine in the node.
    fn engines(&self) -> Result<Vec<u32>> {
        let is_engine = |pid: &u32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words
                .split(|byte| *byte == 0)
                .any(|word| word == b"--listen")
        };
        Ok(self
            .row
            .node
            .pids()?
            .into_iter()
            .filter(is_engine)
            .collect())
    }

    /// Waits until nothing is left over of the load of so many clients; what there is then.
    pub(super) fn settle(&self, before: &Residue, clients: u64) -> Result<Residue> {
        let mut last = None;
        let settled = wait_for("the engine comes to rest", SETTLED, || {
            let now = self.residue().ok()?;
            let is_at_rest = now.left_over(before, clients).is_empty();
            last = Some(now.clone());
            is_at_rest.then_some(now)
        });
        settled.map_err(|late| match last {
            None => late.into(),
            Some(now) => BenchError::Unexpected(format!(
                "left over {SETTLED:?} after the load: {}",
                now.left_over(before, clients).join(", ")
            )),
        })
    }

    /// Ends engine and broker as a unit does, and looks at what they leave behind.
    pub(super) fn end(&mut self, rules: &str) -> Result<()> {
        let engine = self.pid()?;
        signal(engine, Signal::TERM)?;
        let gone = || self.engines().ok()?.is_empty().then_some(());
        wait_for("the engine ends", READY, gone)?;
        let first = self.engine.take();
        drop(first);
        let as_before = || (self.rules().ok()? == rules).then_some(());
        if wait_for("the firewall is as before", READY, as_before).is_err() {
            let now = self.rules()?;
            return Err(BenchError::Unexpected(format!("rules are left: {now}")));
        }
        if let Some(broker) = self.broker.take() {
            broker.terminate(READY)?;
        }
        for socket in ["engine.sock", "broker.sock"] {
            if self.path(socket).exists() {
                return Err(BenchError::Unexpected(format!("{socket} is left")));
            }
        }
        let log = length(&self.path("log"));
        if log > LOG {
            return Err(BenchError::Unexpected(format!("a log of {log} bytes")));
        }
        Ok(())
    }

    /// The end of what engines and broker logged.
    pub(super) fn words(&self) -> String {
        let words = fs::read(self.path("log")).unwrap_or_default();
        let last = words.len().saturating_sub(WORDS);
        String::from_utf8_lossy(&words[last..]).into_owned()
    }
}

/// Sends a signal to a process.
pub(super) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let target = target.ok_or_else(|| BenchError::Unexpected(format!("no process {pid}")))?;
    kill_process(target, signal).map_err(|e| BenchError::io("signal the engine")(e.into()))
}

fn ask<T>(answer: impl Future<Output = Result<T, ClientError>>) -> Result<T> {
    let answer = super::runtime()?.block_on(answer);
    answer.map_err(|error| BenchError::Unexpected(error.to_string()))
}

fn length(path: &Path) -> u64 {
    // Without a log, nothing was logged.
    fs::metadata(path).map_or(0, |file| file.len())
}
