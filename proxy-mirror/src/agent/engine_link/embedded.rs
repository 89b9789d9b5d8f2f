//! The engine inside the agent: where no service is installed it serves what a user alone can have,
//! as long as the agent runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use proxy_engine::config::{EngineConfig, InterceptBy, Policy};
use proxy_engine::control::Guests;
use proxy_engine::control::server::Server;
use proxy_engine::engine::{Attached, Engine, EngineError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Credentials, Given, LOOK_AGAIN, Report, Told, Wanted};
use crate::control::EngineRuns;
use crate::places::Places;

/// Connections get this long when the agent ends, or a service takes over.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs an engine and keeps it at what is wanted, until a service answers or the agent has `ended`.
pub(super) async fn attend(
    places: &Places,
    told: &mut Told,
    report: &watch::Sender<Report>,
    ended: &CancellationToken,
) {
    let Some(first) = until_wanted(places, &mut told.wanted, report, ended).await else {
        return;
    };
    let (engine, attached) = match start(&first).await {
        Ok(started) => started,
        Err(error) => {
            super::say(report, EngineRuns::Absent, Some(error.problem().into()));
            return;
        }
    };
    told.anew();
    let Told {
        wanted,
        guests,
        given,
    } = told;
    let answering = answer(&places.own_engine_socket, &engine).await;
    let mut changes = engine.subscribe();
    let mut lent = Vec::new();
    loop {
        tokio::select! {
            () = ended.cancelled() => break,
            () = service_answers(places) => break,
            news = wanted.changed() => {
                if news.is_err() {
                    break;
                }
                let now = wanted.borrow_and_update().clone();
                if !now.embed {
                    break;
                }
                let told = tell(&engine, &attached, &now, &mut lent, given).await;
                report.send_modify(|report| {
                    report.serial = now.serial;
                    report.problem = told.err().map(|error| error.problem().into());
                });
                show(&engine, report);
            }
            Ok(()) = guests.changed() => {
                let names = guests.borrow_and_update().clone();
                let lease = attached.lease().to_owned();
                if let Err(error) = engine.name_guests(&Guests { lease, names }) {
                    tracing::warn!(%error, "the engine was not told the containers' names");
                }
            }
            rung = changes.changed() => {
                if rung.is_err() {
                    break;
                }
                show(&engine, report);
            }
        }
    }
    if let Some(answering) = answering {
        answering.abort();
        // Its end removes the socket.
        let _ = answering.await;
    }
    drop(attached);
    engine.drain(DRAIN).await;
    super::say(report, EngineRuns::Absent, None);
}

/// Answers at a socket of this user's, as the service does at its own: whoever asks an engine what
/// it does need not know where it runs.
async fn answer(socket: &Path, engine: &Engine) -> Option<JoinHandle<()>> {
    match Server::bind(socket).await {
        Ok(server) => Some(tokio::spawn(server.serve(engine.clone()))),
        Err(error) => {
            tracing::warn!(%error, "nobody can ask this agent's engine");
            None
        }
    }
}

/// Waits for the first policy that wants an engine here: one before it would dial directly what
/// should go through a proxy. `None` where a service answers first, or the agent ends.
async fn until_wanted(
    places: &Places,
    wanted: &mut watch::Receiver<Wanted>,
    report: &watch::Sender<Report>,
    ended: &CancellationToken,
) -> Option<Wanted> {
    loop {
        let now = wanted.borrow_and_update().clone();
        if now.serial > 0 && now.embed {
            return Some(now);
        }
        // Nobody has to be told: it is as it should be.
        report.send_if_modified(|report| {
            let news = report.serial != now.serial;
            report.serial = now.serial;
            news
        });
        tokio::select! {
            () = ended.cancelled() => return None,
            () = service_answers(places) => return None,
            changed = wanted.changed() => changed.ok()?,
        }
    }
}

/// Every address of this machine, of both families where it has both (proc(5)).
fn anywhere() -> IpAddr {
    if Path::new("/proc/net/if_inet6").exists() {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    }
}

async fn start(wanted: &Wanted) -> Result<(Engine, Attached), EngineError> {
    let user = rustix::process::geteuid();
    let root = user.is_root();
    let engine = Engine::start(EngineConfig {
        // Rules send intercepted traffic there, and direct hits are closed.
        transparent: if root {
            // Whichever port is free: only rules know it, and another user's agent may run beside.
            vec![SocketAddr::from((anywhere(), 0))]
        } else {
            Vec::new()
        },
        policy: Some(with_relay(wanted)),
        intercept_by: if root {
            InterceptBy::ThisProcess {
                drop_capabilities: false,
            }
        } else {
            InterceptBy::Nobody
        },
        ..EngineConfig::default()
    })
    .await?;
    let attached = engine.attach("the agent itself", user.as_raw())?;
    Ok((engine, attached))
}

/// As with the service: credentials before the policy that needs them.
async fn tell(
    engine: &Engine,
    attached: &Attached,
    wanted: &Wanted,
    lent: &mut Vec<Credentials>,
    given: &mut Given,
) -> Result<(), EngineError> {
    for credentials in wanted.credentials.iter().filter(|c| !lent.contains(c)) {
        let anew = given.is_news(credentials);
        engine.lend(&credentials.under(attached.lease(), anew))?;
        given.heard(credentials);
    }
    engine.swap_policy(with_relay(wanted)).await?;
    if lent.iter().any(|credentials| !wanted.wants(credentials)) {
        engine.take_back(attached.lease());
        for credentials in &wanted.credentials {
            engine.lend(&credentials.under(attached.lease(), false))?;
        }
    }
    lent.clone_from(&wanted.credentials);
    Ok(())
}

/// The policy with the relay on loopback: its port is the settings', and may change.
fn with_relay(wanted: &Wanted) -> Policy {
    let mut policy = wanted.policy.clone();
    policy.listen.insert(0, wanted.relay.loopback());
    policy
}

fn show(engine: &Engine, report: &watch::Sender<Report>) {
    report.send_modify(|report| {
        report.runs = EngineRuns::Embedded;
        report.status = Some(engine.status());
    });
}

/// Comes back when a service has been installed meanwhile: it wants the relay's port.
async fn service_answers(places: &Places) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        if tokio::net::UnixStream::connect(&places.engine_socket)
            .await
            .is_ok()
        {
            return;
        }
    }
}
