//! `gangway demo`: the whole idea in twenty seconds, without Docker and without a company.

mod engine;
mod network;
mod pod;
mod roles;
mod story;

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

pub(crate) use roles::{Role, run as run_role};
pub(crate) use story::tell;

/// Why the demo could not be shown. What it had made is taken away in any case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// Namespaces need root.
    #[error("the demo makes network namespaces and needs root: run `sudo gangway demo`")]
    NotRoot,
    /// A program that could not be started.
    #[error("cannot run {program}: {source}; iproute2 and util-linux are needed")]
    Start {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A helper process that ended before it was ready.
    #[error("{program} ended before it was ready")]
    Ended {
        /// Which.
        program: &'static str,
    },
    /// A step of making the network.
    #[error("making the demo's network failed on {host}: `{command}`: {message}")]
    Network {
        /// Where.
        host: String,
        /// What was asked.
        command: String,
        /// What came back.
        message: String,
    },
    /// A file of the demo's own.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The engine is not where it should be.
    #[error("the engine's program is missing: {} (build it with `cargo build`)", path.display())]
    NoEngine {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The engine did not do what it should.
    #[error("the engine did not start: {message}")]
    Engine {
        /// Its own words.
        message: String,
    },
    /// The demo's certificate.
    #[error("cannot make the demo's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Waits until a process of ours prints `line`.
async fn wait_for_line(child: &mut Child, line: &str) -> Result<(), DemoError> {
    let ended = DemoError::Ended {
        program: "a process of the demo",
    };
    let Some(stdout) = child.stdout.take() else {
        return Err(ended);
    };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(said)) = lines.next_line().await {
        if said == line {
            return Ok(());
        }
    }
    Err(ended)
}

/// Standard streams of a process that is spoken to.
fn spoken_to(command: &mut tokio::process::Command) -> &mut tokio::process::Command {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
}
