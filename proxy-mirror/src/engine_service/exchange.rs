//! What was installed in the place of what runs: the engine hands over to its successor, so that no
//! connection is cut.
//!
//! The broker cannot: the rules that intercepted connections live by are its process's own. It
//! goes on with the program that it was started from, as long as the new engine and it understand
//! each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proxy_engine::control::InterceptionState;
use proxy_engine::control::client::Client;
use serde::{Deserialize, Serialize};

use super::{CONTROL, PATIENCE, UNITS, run, written};
use crate::change::host::{Command, Host};
use crate::change::{ChangeError, Desk, FileId, Fingerprint, UnitId};
use crate::regular_file;

/// Problems of interception that an engine and a broker of different versions have.
const MISUNDERSTOOD: [&str; 2] = ["broker_version", "invalid_request"];

/// An engine that did not answer is asked again after this.
const RETRY: Duration = Duration::from_millis(100);

/// Beside the journal, while what runs may be older than what is installed.
const NOTE: &str = "exchange.json";

/// What there was before the service was installed.
pub(super) struct Before {
    started_from: StartedFrom,
    broker_runs: bool,
    engine_runs: bool,
    note: PathBuf,
}

/// The files that what runs was started from.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartedFrom {
    program: Option<Fingerprint>,
    broker: Option<Fingerprint>,
    engine: Option<Fingerprint>,
}

impl StartedFrom {
    fn look(desk: &Desk) -> Result<Self, ChangeError> {
        let written = |file: &FileId| {
            let bytes = written(desk, file)?;
            Ok::<_, ChangeError>(bytes.as_deref().map(Fingerprint::of))
        };
        Ok(Self {
            program: written(&FileId::EngineBinary)?,
            broker: written(&FileId::BrokerUnit)?,
            engine: written(&FileId::EngineUnit)?,
        })
    }
}

impl Before {
    /// Looks, and notes it: an installation that is killed before what runs was exchanged is finished
    /// by the next.
    ///
    /// # Errors
    /// [`ChangeError`] where a file cannot be read, or systemd cannot be asked.
    pub(super) fn look(desk: &Desk) -> Result<Self, ChangeError> {
        let note = note(desk);
        let noted = regular_file::read(&note, 1 << 20).map_err(ChangeError::io("read", &note))?;
        // One that cannot be understood says at least that something is to be exchanged.
        let noted = noted.map(|noted| serde_json::from_slice(&noted).unwrap_or(UNKNOWN));
        let started_from = if let Some(noted) = noted {
            noted
        } else {
            let now = StartedFrom::look(desk)?;
            write(&note, &now).map_err(ChangeError::io("write", &note))?;
            now
        };
        Ok(Self {
            started_from,
            broker_runs: runs(desk.host.as_ref(), UnitId::Broker)?,
            engine_runs: runs(desk.host.as_ref(), UnitId::Engine)?,
            note,
        })
    }
}

const UNKNOWN: StartedFrom = StartedFrom {
    program: None,
    broker: None,
    engine: None,
};

/// Where it is noted what runs.
pub(super) fn note(desk: &Desk) -> PathBuf {
    desk.journal.folder().with_file_name(NOTE)
}

fn write(note: &Path, started_from: &StartedFrom) -> std::io::Result<()> {
    let folder = note.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, started_from)?;
    file.as_file().sync_all()?;
    file.persist(note)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Brings what ran before to what is installed now. What was started meanwhile is that already.
///
/// # Errors
/// [`ChangeError`] where a unit does not start again.
pub(super) fn exchange(desk: &Desk, before: &Before) -> Result<(), ChangeError> {
    exchange_what_runs(desk, before)?;
    std::fs::remove_file(&before.note).map_err(ChangeError::io("remove", &before.note))
}

fn exchange_what_runs(desk: &Desk, before: &Before) -> Result<(), ChangeError> {
    let host = desk.host.as_ref();
    let now = StartedFrom::look(desk)?;
    let program = now.program != before.started_from.program;
    let broker = now.broker != before.started_from.broker;
    let engine = now.engine != before.started_from.engine;
    if before.broker_runs && (broker || program && !before.engine_runs) {
        run(host, Command::Restart(UnitId::Broker))?;
    }
    if !before.engine_runs || !(engine || program) {
        return Ok(());
    }
    if host.run(Command::Reload(UnitId::Engine))?.success() && is_understood(Path::new(CONTROL)) {
        return Ok(());
    }
    // It is too old to hand over, or its broker too old for the new one.
    for unit in UNITS {
        run(host, Command::Restart(unit))?;
    }
    Ok(())
}

fn runs(host: &dyn Host, unit: UnitId) -> Result<bool, ChangeError> {
    let condition = host.run(Command::Condition(unit))?;
    let mut lines = condition.stdout.lines();
    Ok(lines.any(|line| line == "ActiveState=active"))
}

/// Whether the new engine and the broker speak the same language.
fn is_understood(control: &Path) -> bool {
    let client = Client::new(control);
    // A thread of its own: who calls this may be a runtime's.
    let asked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        let answer = async {
            // One answer that does not come is no reason to cut connections.
            loop {
                match client.status().await {
                    Ok(status) => return status,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            }
        };
        let bounded = async { tokio::time::timeout(PATIENCE, answer).await };
        let status = runtime.block_on(bounded).ok()?;
        Some(match status.interception {
            InterceptionState::Failed { problem, .. } => {
                !MISUNDERSTOOD.contains(&problem.code.as_str())
            }
            InterceptionState::Off | InterceptionState::On { .. } => true,
        })
    });
    asked.join().ok().flatten().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use proxy_engine::config::EngineConfig;
    use proxy_engine::control::server::Server;
    use proxy_engine::engine::Engine;

    use super::is_understood;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_engine_that_leaves_one_question_unanswered_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("engine.sock");
        let silent = UnixListener::bind(&control).unwrap();
        let path = control.clone();
        let asked = tokio::task::spawn_blocking(move || is_understood(&path));
        tokio::task::spawn_blocking(move || drop(silent.accept().unwrap()))
            .await
            .unwrap();
        std::fs::remove_file(&control).unwrap();
        let server = Server::bind(&control).await.unwrap();
        let engine = Engine::start(EngineConfig::default()).await.unwrap();
        let serving = tokio::spawn(server.serve(engine));
        assert!(asked.await.unwrap());
        serving.abort();
    }
}
