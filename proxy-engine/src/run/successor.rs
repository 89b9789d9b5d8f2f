//! The program that is installed by then, started in this one's place (SIGUSR2).

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use proxy_engine::config::EngineConfig;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for the signal.
pub(crate) struct Successor {
    told: Signal,
    /// Where this program was started from. Asked for at the start: once a new one lies there, the
    /// kernel calls this one deleted (proc(5), `exe`).
    program: PathBuf,
    /// This program's arguments after its command.
    arguments: Vec<OsString>,
    /// Without a control socket nothing can be handed over.
    is_possible: bool,
}

impl Successor {
    /// From now on the signal is caught.
    pub(crate) fn of(config: &EngineConfig) -> io::Result<Self> {
        Ok(Self {
            told: signal(SignalKind::user_defined2())?,
            program: std::env::current_exe()?,
            arguments: std::env::args_os().skip(2).collect(),
            is_possible: config.control.is_some(),
        })
    }

    /// Starts a successor at each signal. One that fails changes nothing. Never comes back.
    pub(crate) async fn started_when_told(mut self) {
        loop {
            if self.told.recv().await.is_none() {
                return std::future::pending().await;
            }
            if !self.is_possible {
                tracing::error!("no successor: start this engine with --control");
                continue;
            }
            match self.start() {
                Ok(()) => {}
                Err(error) => {
                    let program = self.program.display();
                    tracing::error!(%program, %error, "no successor: this engine goes on");
                }
            }
        }
    }

    fn start(&self) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        let mut child = command.arg("take-over").args(&self.arguments).spawn()?;
        tracing::info!(pid = child.id(), "a successor starts");
        // Where it takes over, this one ends first or waits for its connections: it hears of the
        // successor's end only when that failed.
        tokio::spawn(async move {
            match child.wait().await {
                Ok(status) => tracing::error!(%status, "the successor ended"),
                Err(error) => tracing::error!(%error, "the successor is lost"),
            }
        });
        Ok(())
    }
}
