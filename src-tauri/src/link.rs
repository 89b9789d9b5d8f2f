//! The way to the agent: found or started, followed, and found again when it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proxy_mirror::control::client::{Client, Events};
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

/// Follows the agent until the controller is gone: joins the one that runs or starts one, passes its
/// statuses on, and begins again when it ends.
pub async fn follow(link: Link<Client>, controller: mpsc::Sender<Event>) {
    loop {
        let problem = match join(&link).await {
            Ok(events) => match pass_on(events, &controller).await {
                Some(problem) => problem,
                None => return,
            },
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

async fn join(link: &Link<Client>) -> Result<Events, Problem> {
    let places = Places::from_env().map_err(unreachable)?;
    let client = Client::connect(&places.agent_socket)
        .await
        .map_err(unreachable)?;
    let events = client.events().await?;
    link.set(Ok(client));
    Ok(events)
}

fn unreachable(error: impl std::fmt::Display) -> Problem {
    Problem::new("agent_unreachable", error.to_string())
}

/// Why the agent's statuses ended; `None` where nobody listens any more.
async fn pass_on(mut events: Events, controller: &mpsc::Sender<Event>) -> Option<Problem> {
    loop {
        match events.next().await {
            Ok(Some(status)) => {
                let event = Event::Status(Box::new(status));
                if controller.send(event).await.is_err() {
                    return None;
                }
            }
            Ok(None) => {
                return Some(Problem::new(
                    "agent_ended",
                    "the agent has ended; another one is looked for or started",
                ));
            }
            Err(problem) => return Some(problem),
        }
    }
}
