//! The two engines of the story: the company's proxy, and Gangway's own on the node.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use proxy_engine::control::client::Client;
use proxy_engine::control::{InterceptionState, Status};
use tokio::process::{Child, Command};

use super::DemoError;
use super::network::{BRIDGE, Host, PROXY};

/// An engine starts in milliseconds; a machine under load gets this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running engine and its control socket.
pub(super) struct Engine {
    child: Child,
    /// Its local API.
    pub(super) api: Client,
}

impl Engine {
    /// The engine as the company's proxy, on `host`.
    pub(super) async fn company(host: &Host, folder: &Path) -> Result<Self, DemoError> {
        let socket = folder.join("company.sock");
        let mut command = host.command(program()?);
        command.args(["run", "--listen", &format!("{PROXY}:3128")]);
        Self::start(command, socket, |status| {
            status
                .listeners
                .iter()
                .all(|listener| listener.error.is_none())
        })
        .await
    }

    /// Gangway's engine, on `node` or on this machine itself, intercepting the bridge.
    pub(super) async fn gangway(
        node: Option<&Host>,
        port: u16,
        folder: &Path,
    ) -> Result<Self, DemoError> {
        let socket = folder.join("gangway.sock");
        let mut command = if let Some(node) = node {
            node.command(program()?)
        } else {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(program()?);
            command
        };
        command.args(["run", "--transparent", &format!("0.0.0.0:{port}")]);
        command.args([
            "--intercept",
            BRIDGE,
            "--upstream",
            &format!("http://{PROXY}:3128"),
        ]);
        Self::start(command, socket, |status| {
            matches!(status.interception, InterceptionState::On { .. })
        })
        .await
    }

    async fn start(
        mut command: Command,
        socket: PathBuf,
        ready: impl Fn(&Status) -> bool,
    ) -> Result<Self, DemoError> {
        let mut child = command
            .arg("--control")
            .arg(&socket)
            .args(["--log", "text"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::Start {
                program: "proxy-engine",
                source,
            })?;
        let api = Client::new(&socket);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Ok(status) = api.status().await {
                if ready(&status) {
                    return Ok(Self { child, api });
                }
                if let InterceptionState::Failed { problem, .. } = status.interception {
                    return Err(DemoError::Engine {
                        message: problem.message,
                    });
                }
            }
            if child.try_wait().is_ok_and(|ended| ended.is_some())
                || tokio::time::Instant::now() > deadline
            {
                // Ended already, or about to: only its words are of interest.
                let _ = child.start_kill();
                let said = child.wait_with_output().await.map(|output| output.stderr);
                let said = String::from_utf8_lossy(&said.unwrap_or_default())
                    .trim()
                    .to_owned();
                return Err(DemoError::Engine { message: said });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Pulls the cable: SIGKILL, no chance to tidy up.
    pub(super) async fn kill(mut self) -> Result<(), DemoError> {
        self.child.kill().await.map_err(|source| DemoError::Start {
            program: "proxy-engine",
            source,
        })
    }
}

/// The engine's program: it stands beside this one.
fn program() -> Result<PathBuf, DemoError> {
    let program = super::network::own_program()?.with_file_name("proxy-engine");
    if program.exists() {
        return Ok(program);
    }
    Err(DemoError::NoEngine { path: program })
}
