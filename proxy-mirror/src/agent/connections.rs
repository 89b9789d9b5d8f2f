//! The engine's connections, for whoever types `gangway connections`.
//!
//! They come from the engine itself, whether it is a service or inside the agent. The service runs
//! without privilege and sees no process of others: what it leaves open is looked up here, with the
//! rights of whoever asks.

use std::collections::HashMap;
use std::net::SocketAddr;

use proxy_engine::accept::whose;
use proxy_engine::control::client::{ClientError, Following};
use proxy_engine::control::{Connection, ConnectionEvent, Process, Via, Who};

use super::engine_link::{self, broken};
use crate::control::{ConnectionHappening, ConnectionList, Problem};
use crate::places::Places;

/// The connections now: the live ones by age, then the ones that ended last, newest first.
///
/// # Errors
/// No engine answers, or not to this user.
pub async fn list(places: &Places) -> Result<ConnectionList, Problem> {
    let client = engine_link::client(places).await?;
    let mut connections = client.connections().await.map_err(problem)?;
    let found = processes(connections.iter().filter_map(unknown).collect()).await;
    let unknown = connections.iter_mut().filter(|c| unknown(c).is_some());
    for (connection, process) in unknown.zip(found) {
        name(connection, process);
    }
    Ok(ConnectionList {
        connections: connections.into_iter().map(Into::into).collect(),
    })
}

/// What happens to connections, from now on.
#[derive(Debug)]
pub struct Follow {
    following: Following,
    /// What was looked up here, of connections that live.
    looked_up: HashMap<u64, Option<Process>>,
}

/// Follows what happens to connections.
///
/// # Errors
/// No engine answers, or not to this user; too many follow already.
pub async fn follow(places: &Places) -> Result<Follow, Problem> {
    let client = engine_link::client(places).await?;
    Ok(Follow {
        following: client.follow().await.map_err(problem)?,
        looked_up: HashMap::new(),
    })
}

impl Follow {
    /// What happens next; `None` when the engine has ended, or another took its place.
    ///
    /// # Errors
    /// The engine does not answer as it should.
    pub async fn next(&mut self) -> Result<Option<ConnectionHappening>, Problem> {
        let Some(event) = self.following.next().await.map_err(problem)? else {
            return Ok(None);
        };
        Ok(Some(match event {
            ConnectionEvent::Opened(mut connection) => {
                self.complete(&mut connection).await;
                ConnectionHappening::Opened {
                    connection: connection.into(),
                }
            }
            ConnectionEvent::Routed(mut connection) => {
                self.complete(&mut connection).await;
                ConnectionHappening::Routed {
                    connection: connection.into(),
                }
            }
            ConnectionEvent::Ended(mut connection) => {
                let known = self.looked_up.remove(&connection.id).flatten();
                name(&mut connection, known);
                ConnectionHappening::Ended {
                    connection: connection.into(),
                }
            }
            ConnectionEvent::Lost(lost) => {
                // Their ends may be among what is lost.
                self.looked_up.clear();
                ConnectionHappening::Lost {
                    events: lost.events,
                }
            }
        }))
    }

    async fn complete(&mut self, connection: &mut Connection) {
        let Some(ends) = unknown(connection) else {
            return;
        };
        let known = if let Some(known) = self.looked_up.get(&connection.id) {
            known.clone()
        } else {
            let found = processes(vec![ends]).await.pop().flatten();
            self.looked_up.insert(connection.id, found.clone());
            found
        };
        name(connection, known);
    }
}

/// The ends of a live connection of this machine whose process the engine did not see.
fn unknown(connection: &Connection) -> Option<(SocketAddr, SocketAddr)> {
    let lacks = match &connection.who {
        Some(Who::Local { process, .. }) => process.is_none(),
        Some(Who::Guest { .. }) | None => false,
    };
    let here = lacks && connection.via == Via::Explicit && connection.ended_ms.is_none();
    here.then_some((connection.client, connection.local?))
}

async fn processes(ends: Vec<(SocketAddr, SocketAddr)>) -> Vec<Option<Process>> {
    if ends.is_empty() {
        return Vec::new();
    }
    let found = tokio::task::spawn_blocking(move || whose(&ends).who).await;
    let process = |who| match who {
        Some(Who::Local { process, .. }) => process,
        Some(Who::Guest { .. }) | None => None,
    };
    // Without them the rest is shown.
    found.unwrap_or_default().into_iter().map(process).collect()
}

fn name(connection: &mut Connection, found: Option<Process>) {
    if let (Some(Who::Local { process, .. }), Some(found)) = (&mut connection.who, found) {
        process.get_or_insert(found);
    }
}

fn problem(error: ClientError) -> Problem {
    match error {
        ClientError::Refused(problem) => problem.into(),
        error => broken(&error),
    }
}
