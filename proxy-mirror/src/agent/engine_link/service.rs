//! The engine that runs as the system's service.

use std::io::ErrorKind;

use proxy_engine::config::Policy;
use proxy_engine::control::Guests;
use proxy_engine::control::client::{Client, ClientError};
use tokio::sync::watch;

use super::{Credentials, Given, Report, Told, Wanted};
use crate::control::{EngineRuns, Problem};
use crate::engine_service::ServiceState;
use crate::places::Places;

/// What stands at the service's socket.
pub(super) enum Found {
    /// An engine.
    Answers(Client),
    /// An engine, but not for this user.
    Refuses(Problem),
    /// Nobody, though the service is installed.
    Silent,
    /// No service.
    Nothing,
}

/// Looks whether there is a service, and whether it answers.
pub(super) async fn look(places: &Places) -> Found {
    let client = Client::new(&places.engine_socket);
    match client.status().await {
        Ok(_) => Found::Answers(client),
        Err(error) => not_answering(&error),
    }
}

fn not_answering(error: &ClientError) -> Found {
    match error {
        // Its folder is closed: somebody else's engine, which was started by hand.
        ClientError::Unreachable { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            Found::Refuses(broken(error))
        }
        ClientError::Unreachable { .. }
            if crate::engine_service::status() == ServiceState::Stopped =>
        {
            Found::Silent
        }
        ClientError::Unreachable { .. } => Found::Nothing,
        ClientError::Refused(problem) => Found::Refuses(problem.clone().into()),
        ClientError::Answer { .. } => Found::Refuses(broken(error)),
    }
}

/// What a command sees that does not attach.
pub(super) async fn report(places: &Places) -> Report {
    match Client::new(&places.engine_socket).status().await {
        Ok(status) => Report {
            status: Some(status),
            ..Report::none(EngineRuns::Service)
        },
        Err(error) => match not_answering(&error) {
            Found::Refuses(problem) => Report {
                problem: Some(problem),
                ..Report::none(EngineRuns::Service)
            },
            Found::Silent => Report::none(EngineRuns::Stopped),
            Found::Nothing | Found::Answers(_) => Report::none(EngineRuns::Absent),
        },
    }
}

/// Attaches, tells the engine what is wanted, and again at every change, until it has gone. Then
/// the kernel closes the attachment, and with it goes everything that was lent.
pub(super) async fn attend(client: &Client, told: &mut Told, report: &watch::Sender<Report>) {
    let mut attachment = match client.attach(&user()).await {
        Ok(attachment) => attachment,
        Err(error) => {
            super::say(report, EngineRuns::Service, Some(broken(&error)));
            return;
        }
    };
    told.anew();
    let Told {
        wanted,
        guests,
        given,
    } = told;
    let mut lent = Vec::new();
    loop {
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = wanted.borrow_and_update().clone();
                if now.serial == 0 {
                    // Nothing is decided yet: until then the last policy, which it kept, holds.
                    continue;
                }
                let problem = match tell(client, attachment.lease(), &now, &mut lent, given).await {
                    Ok(()) => None,
                    Err(ClientError::Refused(problem)) => Some(problem.into()),
                    Err(error) => {
                        super::say(report, EngineRuns::Service, Some(broken(&error)));
                        return;
                    }
                };
                report.send_modify(|report| {
                    report.runs = EngineRuns::Service;
                    report.serial = now.serial;
                    report.problem = problem;
                });
                match client.status().await {
                    Ok(status) => report.send_modify(|report| report.status = Some(status)),
                    Err(error) => tracing::debug!(%error, "the engine went away"),
                }
            }
            Ok(()) = guests.changed() => {
                let names = guests.borrow_and_update().clone();
                let lease = attachment.lease().to_owned();
                if let Err(error) = client.name_guests(&Guests { lease, names }).await {
                    // An engine of an older version, or one that is just going.
                    tracing::debug!(%error, "the engine was not told the containers' names");
                }
            }
            status = attachment.next_status() => match status {
                Ok(Some(status)) => {
                    report.send_modify(|report| {
                        report.runs = EngineRuns::Service;
                        report.status = Some(status);
                    });
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "the engine's events broke");
                    return;
                }
            },
        }
    }
}

/// Credentials first, so that a policy that needs them never meets an engine without them; an engine
/// sends them to nobody but the authority that they are for.
async fn tell(
    client: &Client,
    lease: &str,
    wanted: &Wanted,
    lent: &mut Vec<Credentials>,
    given: &mut Given,
) -> Result<(), ClientError> {
    for credentials in wanted.credentials.iter().filter(|c| !lent.contains(c)) {
        let anew = given.is_news(credentials);
        client.lend(&credentials.under(lease, anew)).await?;
        given.heard(credentials);
    }
    set_routes(client, &wanted.policy).await?;
    if lent.iter().any(|credentials| !wanted.wants(credentials)) {
        client.take_back(lease).await?;
        for credentials in &wanted.credentials {
            client.lend(&credentials.under(lease, false)).await?;
        }
    }
    lent.clone_from(&wanted.credentials);
    Ok(())
}

/// The policy, to an engine that decides; one whose routes another engine decides is told the rest
/// of it: whom to serve, and what to intercept.
async fn set_routes(client: &Client, policy: &Policy) -> Result<(), ClientError> {
    let chain = client.status().await?.chain;
    let decides = chain.and_then(|chain| chain.engine.parse().ok());
    match decides {
        None => client.set_policy(policy).await,
        Some(engine) => {
            let rest = Policy {
                listen: policy.listen.clone(),
                clients: policy.clients.clone(),
                intercept: policy.intercept.clone(),
                ..Policy::decided_by(&engine)
            };
            client.set_policy(&rest).await
        }
    }
}

/// The policy alone.
pub(super) async fn set_policy(client: &Client, policy: &Policy) -> Result<(), Problem> {
    set_routes(client, policy)
        .await
        .map_err(|error| match error {
            ClientError::Refused(problem) => problem.into(),
            error => broken(&error),
        })
}

/// Who attaches, for people.
fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| format!("uid {}", rustix::process::geteuid().as_raw()))
}

pub(in crate::agent) fn broken(error: &dyn std::fmt::Display) -> Problem {
    Problem::new("engine_broken", error.to_string()).with("error", error)
}
