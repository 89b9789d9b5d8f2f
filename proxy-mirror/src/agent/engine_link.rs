//! The way to the engine: attach to the service's, or be one where there is no service; attach
//! again whenever it has gone and come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proxy_engine::config::Policy;
use proxy_engine::control::client::{Client, ClientError};
use proxy_engine::control::{GuestNames, LentCredentials, Status};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::{EngineRuns, Problem};
use crate::places::Places;
use crate::world::Relay;

mod embedded;
mod service;

pub(super) use service::broken;

/// An engine that is being restarted is asked for this often: its clients wait for the policy.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Where none was ever seen, one may still be installed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the engine shall do. The newest holds; those between were never needed.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Counts up; [`Report::serial`] says which one is in force.
    pub(super) serial: u64,
    /// The policy.
    pub(super) policy: Policy,
    /// What its upstreams ask for, as far as it is known.
    pub(super) credentials: Vec<Credentials>,
    /// The relay's addresses.
    pub(super) relay: Relay,
    /// Whether the agent shall be the engine where there is no service. Style `mirror` wants none.
    pub(super) embed: bool,
}

/// Credentials to be lent for one upstream.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    pub(super) authority: String,
    pub(super) user: String,
    pub(super) password: Arc<SecretString>,
    /// How often its user gave one since this agent began: the next time, it is tried again even if
    /// it is the same that was refused.
    pub(super) given: u64,
}

impl Wanted {
    /// Before the first look: nobody acts on serial 0.
    pub(super) fn nothing() -> Self {
        Self {
            serial: 0,
            policy: Policy::direct("starting"),
            credentials: Vec::new(),
            relay: Relay {
                port: 0,
                containers: None,
            },
            embed: false,
        }
    }

    /// Whether the engine has nothing new to hear.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.policy == other.policy
            && self.credentials == other.credentials
            && self.relay == other.relay
            && self.embed == other.embed
    }

    /// Whether there are credentials for that authority still.
    fn wants(&self, lent: &Credentials) -> bool {
        let mut wanted = self.credentials.iter();
        wanted.any(|credentials| credentials.authority == lent.authority)
    }
}

impl Credentials {
    /// As the engine takes them.
    pub(super) fn under(&self, lease: &str, anew: bool) -> LentCredentials {
        LentCredentials {
            lease: lease.to_owned(),
            authority: self.authority.clone(),
            user: self.user.clone(),
            password: self.password.expose_secret().to_owned(),
            anew,
        }
    }
}

/// What engines were told of: an engine that is met again, or another one, does not try what was
/// refused because it is told once more.
#[derive(Debug, Default)]
pub(super) struct Given(HashMap<String, u64>);

impl Given {
    /// Whether the user gave these since an engine heard of them.
    pub(super) fn is_news(&self, credentials: &Credentials) -> bool {
        let known = self.0.get(&credentials.authority).copied();
        credentials.given > known.unwrap_or_default()
    }

    /// An engine has heard of them.
    pub(super) fn heard(&mut self, credentials: &Credentials) {
        self.0
            .insert(credentials.authority.clone(), credentials.given);
    }
}

/// The same password is the same allocation; given again, even with the same characters, it is
/// news.
impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.authority == other.authority
            && self.user == other.user
            && Arc::ptr_eq(&self.password, &other.password)
            && self.given == other.given
    }
}

/// What the engine does.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// The last [`Wanted::serial`] that it took or refused.
    pub(super) serial: u64,
    /// Where it runs.
    pub(super) runs: EngineRuns,
    /// What it says; `None` while it does not answer.
    pub(super) status: Option<Status>,
    /// Why it cannot be had, or would not take the policy.
    pub(super) problem: Option<Problem>,
}

impl Report {
    /// Nothing is known of an engine.
    pub(super) fn none(runs: EngineRuns) -> Self {
        Self {
            serial: 0,
            runs,
            status: None,
            problem: None,
        }
    }
}

/// What an engine is told.
#[derive(Debug)]
pub(super) struct Told {
    /// What it shall do.
    pub(super) wanted: watch::Receiver<Wanted>,
    /// Whose the addresses of containers are: what it shows beside them.
    pub(super) guests: watch::Receiver<GuestNames>,
    /// What an engine has heard of.
    pub(super) given: Given,
}

impl Told {
    /// Whatever was told, the next engine has not heard of it.
    fn anew(&mut self) {
        self.wanted.mark_changed();
        self.guests.mark_changed();
    }
}

/// Keeps an engine at what is wanted until `ended`.
pub(super) async fn keep(
    places: Places,
    mut told: Told,
    report: watch::Sender<Report>,
    ended: CancellationToken,
) {
    while !ended.is_cancelled() {
        let pause = match service::look(&places).await {
            service::Found::Answers(client) => {
                tokio::select! {
                    () = ended.cancelled() => return,
                    () = service::attend(&client, &mut told, &report) => ASK_AGAIN,
                }
            }
            service::Found::Refuses(problem) => {
                say(&report, EngineRuns::Service, Some(problem));
                LOOK_AGAIN
            }
            service::Found::Silent => {
                say(&report, EngineRuns::Stopped, None);
                ASK_AGAIN
            }
            service::Found::Nothing => {
                embedded::attend(&places, &mut told, &report, &ended).await;
                ASK_AGAIN
            }
        };
        tokio::select! {
            () = ended.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// A client of the engine that runs: the service, else the agent's own.
///
/// # Errors
/// There is none, or not for this user.
pub(super) async fn client(places: &Places) -> Result<Client, Problem> {
    match service::look(places).await {
        service::Found::Answers(client) => Ok(client),
        service::Found::Refuses(problem) => Err(problem),
        found @ (service::Found::Silent | service::Found::Nothing) => {
            let own = Client::new(&places.own_engine_socket);
            match (own.status().await, found) {
                (Ok(_), _) => Ok(own),
                (Err(ClientError::Unreachable { .. }), service::Found::Silent) => {
                    Err(Problem::new(
                        "engine_stopped",
                        "the engine service is installed and does not answer: sudo systemctl restart gangway-engine",
                    ))
                }
                (Err(ClientError::Unreachable { .. }), _) => Err(Problem::new(
                    "engine_absent",
                    "no engine runs: `gangway run` starts one, `gangway engine install` installs one",
                )),
                (Err(error), _) => Err(broken(&error)),
            }
        }
    }
}

/// What is there without attaching: for a command that only looks.
pub(super) async fn look(places: &Places) -> Report {
    service::report(places).await
}

/// Tells the service, where one answers, the policy and no more: for a command that found no agent.
/// Passwords need one.
pub(super) async fn tell_service(places: &Places, policy: &Policy) -> Result<(), Problem> {
    match service::look(places).await {
        service::Found::Answers(client) => service::set_policy(&client, policy).await,
        service::Found::Refuses(problem) => Err(problem),
        service::Found::Silent | service::Found::Nothing => Ok(()),
    }
}

fn say(report: &watch::Sender<Report>, runs: EngineRuns, problem: Option<Problem>) {
    report.send_if_modified(|report| {
        let changed = report.runs != runs || report.status.is_some() || report.problem != problem;
        report.runs = runs;
        report.status = None;
        report.problem = problem;
        changed
    });
}
