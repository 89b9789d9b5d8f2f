//! The loop: watch, decide, apply, verify.
//!
//! [`Core`] is all of it but the loop: it answers every question of the API, in an agent and in a
//! command that found none. [`run`] makes it an agent: the only one of its user, with a socket, an
//! engine that it keeps at the policy, and eyes on every source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::control::client::ConnectError;
use crate::control::{Problem, Status, server};
use crate::places::Places;

pub mod connections;
mod core;
mod credentials;
mod engine_link;
mod heard;
pub mod instance;
mod known;
mod logins;
mod on_terminal;
mod reach;
mod targets;
mod view;
mod watching;

pub use self::core::Core;
pub use proxy_engine::memory::leave_no_core_file;
pub use proxy_engine::pac::worker::serve_if_asked as serve_as_worker_if_asked;
pub use reach::{
    Joined, Reached, connect_or_start, install_service, reach, remove_service, service,
};

use self::core::Founded;
use instance::{Instance, InstanceError};

/// An agent in this process. It ends in order with [`AgentHandle::shutdown`]; dropped, it is told to
/// end and not waited for.
#[derive(Debug)]
pub struct AgentHandle {
    socket: PathBuf,
    statuses: watch::Receiver<Arc<Status>>,
    ended: CancellationToken,
    task: Option<JoinHandle<()>>,
}

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Another one runs, or it cannot be known.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// Its socket could not be bound.
    #[error("cannot listen on {}: {source}", socket.display())]
    Bind {
        /// The socket.
        socket: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The agent that runs cannot be spoken to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// Becomes the agent of this user.
///
/// # Errors
/// See [`AgentError`]; nothing is left behind then.
pub async fn run(places: Places) -> Result<AgentHandle, AgentError> {
    let socket = places.agent_socket.clone();
    let instance = Instance::acquire(&socket)?;
    let listener = server::bind(&socket).map_err(|source| AgentError::Bind {
        socket: socket.clone(),
        source,
    })?;
    let ended = CancellationToken::new();
    let Founded {
        core,
        statuses,
        reports,
        engine,
    } = Core::agent(places, &ended);
    core.refresh().await;
    let answering = tokio::spawn(server::serve(
        listener,
        Arc::clone(&core),
        statuses.clone(),
        ended.clone(),
    ));
    let watching = tokio::spawn(watching::watch(core, reports, ended.clone()));
    let task = tokio::spawn(async move {
        // Each ends when it is told to; the engine last, so that a status can still be answered.
        for part in [watching, answering, engine] {
            if let Err(error) = part.await {
                tracing::error!(%error, "a part of the agent failed");
            }
        }
        drop(instance);
    });
    Ok(AgentHandle {
        socket,
        statuses,
        ended,
        task: Some(task),
    })
}

impl AgentHandle {
    /// The picture now, and at every change.
    pub fn statuses(&mut self) -> &mut watch::Receiver<Arc<Status>> {
        &mut self.statuses
    }

    /// Where it answers.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it: what was lent is taken back, its own engine is drained, the socket is gone.
    pub async fn shutdown(mut self) {
        self.ended.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the agent did not end in order");
        }
    }
}

impl Drop for AgentHandle {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl AgentError {
    /// For people and the API: `agent_taken` where another one runs.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Instance(InstanceError::Taken { pid, socket }) => {
                Problem::new("agent_taken", self.to_string())
                    .with("pid", pid)
                    .with("socket", socket.display())
            }
            Self::Instance(InstanceError::Io { .. }) | Self::Bind { .. } => {
                Problem::new("agent_cannot_start", self.to_string()).with("reason", self)
            }
            Self::Connect(error) => {
                Problem::new("agent_unreachable", error.to_string()).with("reason", error)
            }
        }
    }
}

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        error.problem()
    }
}
