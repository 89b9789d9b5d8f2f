//! The way to the agent: found or started, followed, and found again when it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proxy_mirror::agent::{self, Joined};
use proxy_mirror::control::client::Client;
use proxy_mirror::control::{Door, Problem};
use proxy_mirror::places::Places;
use tokio::sync::mpsc;

use crate::controller::Event;

/// An agent that ended is looked for again after this; a person who restarts it waits no longer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The agent that answers at the moment, for whoever asks.
#[derive(Debug)]
pub struct Link<A>(Arc<Mutex<Result<A, Problem>>>);

impl<A> Clone for Link<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Door + Clone> Link<A> {
    /// No agent yet.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Err(Problem::new(
            "agent_starting",
            "the agent is starting",
        )))))
    }

    /// The agent, or why there is none.
    ///
    /// # Errors
    /// The [`Problem`] of the last attempt to reach it.
    pub fn agent(&self) -> Result<A, Problem> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From now on, this one answers.
    pub fn set(&self, agent: Result<A, Problem>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = agent;
    }
}

impl<A: Door + Clone> Default for Link<A> {
    fn default() -> Self {
        Self::new()
    }
}

/// Follows the agent until the controller is gone: joins the one that runs or becomes it, passes its
/// statuses on, and begins again when it ends.
pub async fn follow(link: Link<Client>, controller: mpsc::Sender<Event>) {
    loop {
        let problem = match join().await {
            Ok(Joined { client, hosted }) => {
                link.set(Ok(client.clone()));
                let ended = tokio::select! {
                    problem = pass_on(&client, &controller) => Some(problem),
                    () = controller.closed() => None,
                };
                if let Some(agent) = hosted {
                    agent.shutdown().await;
                }
                match ended {
                    Some(problem) => problem,
                    None => return,
                }
            }
            Err(problem) => problem,
        };
        tracing::warn!(%problem, "the agent is gone");
        link.set(Err(problem.clone()));
        if controller.send(Event::Lost(problem)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn join() -> Result<Joined, Problem> {
    let places = Places::from_env().map_err(unreachable)?;
    agent::connect_or_start(places).await.map_err(unreachable)
}

fn unreachable(error: impl std::fmt::Display) -> Problem {
    Problem::new("agent_unreachable", error.to_string())
}

/// Passes the agent's statuses on; why they ended.
async fn pass_on(client: &Client, controller: &mpsc::Sender<Event>) -> Problem {
    let mut events = match client.events().await {
        Ok(events) => events,
        Err(problem) => return problem,
    };
    loop {
        match events.next().await {
            Ok(Some(status)) => {
                // Where the controller is gone, whoever called us knows it too.
                let _ = controller.send(Event::Status(Box::new(status))).await;
            }
            Ok(None) => {
                return Problem::new(
                    "agent_ended",
                    "the agent has ended; another one is looked for, or started",
                );
            }
            Err(problem) => return problem,
        }
    }
}
