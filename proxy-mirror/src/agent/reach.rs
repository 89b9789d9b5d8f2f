//! The agent that runs; or another way to have the same questions answered.

use super::{AgentError, AgentHandle, Core, engine_link, on_terminal, run, targets, view};
use crate::agent::instance::InstanceError;
use crate::control::client::{Client, ConnectError};
use crate::control::{
    Applied, ApplyRequest, Door, EngineRuns, Examination, Explanation, Plan, Problem, Service,
    ServiceView, SettingsChange, SettingsView, Status, StoreCredentials, Undone,
};
use crate::places::Places;
use crate::target::TargetId;

/// Who answers a command.
#[derive(Debug)]
pub enum Reached {
    /// The agent that runs.
    Agent(Client),
    /// Nobody else: this process looks by itself, and is gone afterwards.
    Alone(Box<Core>),
}

/// The agent that runs, else this process itself.
///
/// # Errors
/// [`AgentError::Connect`] when an agent runs that cannot be spoken to.
pub async fn reach(places: Places) -> Result<Reached, AgentError> {
    match Client::connect(&places.agent_socket).await {
        Ok(client) => Ok(Reached::Agent(client)),
        Err(ConnectError::NoAgent(_)) => Ok(Reached::Alone(Box::new(Core::alone(places)))),
        Err(error) => Err(error.into()),
    }
}

/// The engine's service, asked now.
pub async fn service(places: &Places) -> ServiceView {
    let report = engine_link::look(places).await;
    ServiceView {
        service: match report.runs {
            EngineRuns::Service => Service::Running,
            EngineRuns::Stopped => Service::Stopped,
            EngineRuns::Absent | EngineRuns::Embedded => Service::Absent,
        },
        socket: places.engine_socket.display().to_string(),
        engine: view::engine(&report),
    }
}

/// Installs the engine's service and starts it. Asks for root where this process is not.
///
/// # Errors
/// What is missing, and what to do.
pub async fn install_service(places: &Places) -> Result<(), Problem> {
    targets::install_service(places).await
}

/// Stops the engine's service and gives back everything that came with it.
///
/// # Errors
/// What could not be given back, and why.
pub async fn remove_service(places: &Places) -> Result<Undone, Problem> {
    targets::remove_service(places).await
}

/// A client of the user's agent.
#[derive(Debug)]
pub struct Joined {
    /// Speaks to it.
    pub client: Client,
    /// The agent itself, where this process had to become it.
    pub hosted: Option<AgentHandle>,
}

/// Connects to the agent that runs, or becomes it.
///
/// # Errors
/// See [`AgentError`].
pub async fn connect_or_start(places: Places) -> Result<Joined, AgentError> {
    // Between "nobody listens" and our own start another one may have started: then ask that one.
    for _ in 0..10 {
        match Client::connect(&places.agent_socket).await {
            Ok(client) => {
                return Ok(Joined {
                    client,
                    hosted: None,
                });
            }
            Err(ConnectError::NoAgent(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match run(places.clone()).await {
            Ok(agent) => {
                let client = Client::connect(&places.agent_socket).await?;
                return Ok(Joined {
                    client,
                    hosted: Some(agent),
                });
            }
            Err(AgentError::Instance(InstanceError::Taken { .. })) => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
    Err(ConnectError::NoAgent(places.agent_socket).into())
}

/// Passes the question on to whoever answers.
macro_rules! ask {
    ($reached:expr, $question:ident($($argument:expr),*)) => {
        match $reached {
            Reached::Agent(client) => client.$question($($argument),*).await,
            Reached::Alone(core) => core.$question($($argument),*).await,
        }
    };
}

impl Door for Reached {
    async fn status(&self) -> Result<Status, Problem> {
        ask!(self, status())
    }

    async fn plan(&self) -> Result<Plan, Problem> {
        ask!(self, plan())
    }

    async fn apply(&self, request: ApplyRequest) -> Result<Applied, Problem> {
        match self {
            Self::Agent(client) => on_terminal::apply(client, request).await,
            Self::Alone(core) => core.apply(request).await,
        }
    }

    async fn undo(&self, only: Option<&TargetId>) -> Result<Undone, Problem> {
        match self {
            Self::Agent(client) => on_terminal::undo(client, only).await,
            Self::Alone(core) => core.undo(only).await,
        }
    }

    async fn explain(&self, url: &str) -> Result<Explanation, Problem> {
        ask!(self, explain(url))
    }

    async fn examine(&self) -> Result<Examination, Problem> {
        ask!(self, examine())
    }

    async fn settings(&self) -> Result<SettingsView, Problem> {
        ask!(self, settings())
    }

    async fn change_settings(&self, change: SettingsChange) -> Result<SettingsView, Problem> {
        ask!(self, change_settings(change))
    }

    async fn store_credentials(&self, credentials: StoreCredentials) -> Result<(), Problem> {
        ask!(self, store_credentials(credentials))
    }

    async fn forget_credentials(&self, authority: &str) -> Result<(), Problem> {
        ask!(self, forget_credentials(authority))
    }
}
