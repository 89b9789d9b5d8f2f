//! What every test here begins with: the corporate network, its proxy, the far side, a workstation.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use testbed::net::PROXY;
use testbed::{Ca, CorpNet, Machine, Origin, Registry, Workstation};

/// Where the programs are on the workstation, as in a checkout: beside each other.
pub(crate) const GANGWAY: &str = "/opt/gangway/gangway";

/// Long enough for anything that will ever happen, on a machine that does other things, too.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The corporate network with all of the far side.
pub(crate) struct Office {
    pub(crate) corp: CorpNet,
    pub(crate) ca: Ca,
    pub(crate) origin: Origin,
    _registry: Registry,
}

impl Office {
    pub(crate) fn open() -> Self {
        let corp = CorpNet::new().unwrap();
        let ca = Ca::new().unwrap();
        let registry = Registry::start(&corp, &ca).unwrap();
        let origin = Origin::start(&corp, &ca).unwrap();
        Self {
            corp,
            ca,
            origin,
            _registry: registry,
        }
    }

    /// A workstation with both programs on it, and nothing of Gangway's set up.
    pub(crate) fn workstation(&self) -> Workstation<'_> {
        let ws = Workstation::start(&self.corp).unwrap();
        ws.trust(&self.ca).unwrap();
        ws.copy_in(Path::new(env!("CARGO_BIN_EXE_gangway")), GANGWAY)
            .unwrap();
        ws.copy_in(&engine(), "/opt/gangway/proxy-engine").unwrap();
        ws
    }

    /// A place on the proxy host for another proxy.
    pub(crate) fn proxy_at(port: u16) -> SocketAddr {
        SocketAddr::from((PROXY, port))
    }
}

/// The `proxy-engine` of the same build.
fn engine() -> PathBuf {
    let engine = Path::new(env!("CARGO_BIN_EXE_gangway")).with_file_name("proxy-engine");
    assert!(
        engine.is_file(),
        "{} is not built: run `cargo build -p proxy-engine` first, or the whole workspace's tests",
        engine.display()
    );
    engine
}

/// Runs `gangway` as root in a shell that nobody logged in to.
pub(crate) fn gangway(machine: &Machine, args: &[&str]) -> Output {
    machine.exec(GANGWAY, args).unwrap()
}

/// The same, for what must work.
pub(crate) fn succeed(machine: &Machine, args: &[&str]) -> String {
    let output = gangway(machine, args);
    assert!(
        output.status.success(),
        "gangway {} ended with {:?}\n{}{}\n{}",
        args.join(" "),
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
        machine
            .sh("journalctl -b --no-pager -u 'gangway*' | tail -n 30")
            .unwrap_or_default()
    );
    text(&output.stdout)
}

/// `gangway set upstream`, the service, and everything applied.
pub(crate) fn set_up(ws: &Workstation<'_>, upstream: SocketAddr) {
    succeed(ws, &["set", "upstream", &format!("http://{upstream}")]);
    succeed(ws, &["engine", "install", "--yes"]);
    succeed(ws, &["apply", "--yes"]);
}

/// Starts the agent as a service, as nobody logs in here; it is up when this returns.
pub(crate) fn start_agent(ws: &Workstation<'_>) {
    ws.sh(&format!(
        "systemd-run --quiet --unit=agent --setenv=HOME=/root {GANGWAY} run"
    ))
    .unwrap();
    testbed::wait_for("the agent answers", SOON, || {
        let status = gangway(ws, &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
        status["agent_pid"].as_u64()
    })
    .unwrap_or_else(|late| {
        panic!(
            "{late}: {}",
            ws.sh("journalctl -b --no-pager -u agent")
                .unwrap_or_default()
        )
    });
}

/// `gangway status --json`, whatever its exit code.
pub(crate) fn status(ws: &Workstation<'_>) -> serde_json::Value {
    let output = gangway(ws, &["status", "--json"]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}

/// The state of one target: `in_force`, `not_in_force`, …
pub(crate) fn state_of(ws: &Workstation<'_>, target: &str) -> String {
    let status = status(ws);
    let targets = status["targets"].as_array().cloned().unwrap_or_default();
    targets
        .iter()
        .find(|view| view["id"] == target)
        .and_then(|view| view["state"].as_str().map(str::to_owned))
        .unwrap_or_else(|| panic!("{target} is not in {status:#}"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
