//! The program in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proxy_engine::control::Status;
use proxy_engine::control::client::Client;
use tempfile::TempDir;
use testbed::Child;

/// A running engine with one explicit listener; it ends with the test.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) relay: SocketAddr,
    folder: TempDir,
}

impl Program {
    /// Starts it with more arguments, and waits until it serves.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_under(&[], arguments).await
    }

    /// The same, started by a program that sets something first.
    pub(crate) async fn start_under(under: &[&str], arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let control = folder.path().join("engine.sock");
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let child = spawn(under, "run", &control, &arguments);
        let mut program = Self {
            child,
            relay: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
        };
        program.relay = serves(&control, program.child.pid()).await.listeners[0].address;
        program
    }

    /// Starts another one in its place, and waits until that one answers.
    pub(crate) async fn followed_by(&self, arguments: &[&str]) -> (Child, Status) {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let child = spawn(&[], "take-over", &self.control(), &arguments);
        let status = serves(&self.control(), child.pid()).await;
        (child, status)
    }

    /// Its control socket.
    pub(crate) fn control(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// What it says of itself.
    pub(crate) async fn status(&self) -> Status {
        let status = Client::new(self.control()).status().await;
        status.expect("a status")
    }
}

/// Starts the program with this command.
pub(crate) fn spawn(under: &[&str], what: &str, control: &Path, arguments: &[&str]) -> Child {
    let program = env!("CARGO_BIN_EXE_proxy-engine");
    let words: Vec<&str> = under.iter().copied().chain([program, what]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments);
    command.arg("--control").arg(control);
    command.stdin(Stdio::null()).env("RUST_LOG", "info");
    Child::spawn(command).expect("it runs")
}

/// Waits until the process answers at the socket.
pub(crate) async fn serves(control: &Path, pid: u32) -> Status {
    let client = Client::new(control);
    crate::until("it serves", async || {
        let status = client.status().await.ok()?;
        (status.pid == pid).then_some(status)
    })
    .await
}
