//! The engine as a system service: install, remove, ask.
//!
//! Installing is a handful of typed changes like any other: journaled first (in a journal of its
//! own, so that `gangway undo` leaves the service and `gangway engine remove` takes it), written
//! atomically, given back exactly.

mod account;
mod exchange;
mod flags;
mod lenders;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::change::host::{Command, Host, Output};
use crate::change::{Change, ChangeError, Desk, Desks, FileId, Journal, UnitId, elevation};
use crate::control::Undone;

/// The engine's control socket.
pub const CONTROL: &str = "/run/gangway/engine.sock";

/// Both units answer within this time on a slow machine, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the service is there, and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// It is not installed.
    Absent,
    /// It is installed and its control socket does not answer.
    Stopped,
    /// Its control socket answers.
    Running,
}

/// The files that the service runs from, in the order in which they are written.
const FILES: [FileId; 3] = [FileId::EngineBinary, FileId::BrokerUnit, FileId::EngineUnit];
/// In the order in which they are started.
const UNITS: [UnitId; 2] = [UnitId::Broker, UnitId::Engine];

/// The text of a file that this program carries in itself; the engine itself lies beside it.
pub(crate) fn carried(file: &FileId) -> Result<Vec<u8>, ChangeError> {
    let text = match file {
        FileId::EngineUnit => include_str!("../../installers/linux/gangway-engine.service"),
        FileId::BrokerUnit => include_str!("../../installers/linux/gangway-broker.service"),
        FileId::EngineUser => include_str!("../../installers/linux/gangway.sysusers"),
        FileId::EngineBinary => {
            let path = engine_binary()?;
            return std::fs::read(&path).map_err(|source| ChangeError::Io {
                doing: "read",
                path,
                source,
            });
        }
        FileId::DockerDaemonJson
        | FileId::DockerDropIn
        | FileId::RootlessDaemonJson { .. }
        | FileId::RootlessDropIn { .. }
        | FileId::ContainerdDropIn
        | FileId::ProfileD
        | FileId::EngineLenders
        | FileId::PodmanConf { .. }
        | FileId::PodmanSystemConf
        | FileId::BuildxInstance { .. }
        | FileId::DockerCliConfig { .. } => "",
    };
    Ok(text.as_bytes().to_vec())
}

/// The `proxy-engine` beside this program: built together, they speak the same API. It is copied,
/// so that a checkout may go.
fn engine_binary() -> Result<PathBuf, ChangeError> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| beside(&own))
        .filter(|path| path.is_file());
    beside.ok_or_else(|| ChangeError::Service {
        reason: "there is no `proxy-engine` beside this program: build it (`cargo build -p proxy-engine`), or install the package".into(),
    })
}

/// Where the engine of the program at `own` lies. Nowhere else is looked: root will run it, and
/// others may write the folder above.
fn beside(own: &Path) -> Option<PathBuf> {
    let folder = own.parent()?;
    // Cargo puts test programs one folder below the programs they test.
    let folder = match folder.file_name() {
        Some(name) if name == "deps" => folder.parent()?,
        _ => folder,
    };
    Some(folder.join("proxy-engine"))
}

/// Installs the service and starts it, now and at every boot: user and group, program, units. The
/// user who asked for root with sudo or pkexec may lend to it from then on. A service that runs is
/// exchanged, where it can be without cutting a connection; for a program that does not run here,
/// or not with the service's flags, nothing is changed. Returns when its control socket
/// answers. Blocks; asks for root where this process is not.
///
/// # Errors
/// [`ChangeError`]; what was done until then is in the journal, and [`remove`] gives it back.
pub fn install(desks: &Desks) -> Result<(), ChangeError> {
    if !desks.root {
        return elevation::install_engine(desks);
    }
    let host = desks.local.as_ref();
    if !host.has_systemd() {
        return Err(ChangeError::Service {
            reason: "no systemd runs here: keep `gangway run` running instead, as root if containers shall be intercepted".into(),
        });
    }
    let program = engine_binary()?;
    must_run(host, &program)?;
    flags::must_be_understood(host, &program)?;
    let _turn = desks.turn()?;
    let desk = desk(desks);
    let before = exchange::Before::look(&desk)?;
    account::make(&desk, &FileId::EngineUser)?;
    lenders::add(&desk)?;
    for file in FILES {
        desk.carry_out(&Change::InstallFile { file }, &[])?;
    }
    run(host, Command::DaemonReload)?;
    for unit in UNITS {
        run(host, Command::EnableNow(unit))?;
    }
    exchange::exchange(&desk, &before)?;
    wait_until_it_answers(host)
}

/// A program that does not run here is not installed: one that runs would be exchanged for it.
fn must_run(host: &dyn Host, program: &Path) -> Result<(), ChangeError> {
    let path = program.display();
    let command = path.to_string();
    let command = Command::Version(&command);
    let reason = match host.run(command) {
        // So says the kernel of a program whose loader is missing.
        Ok(Output { status: None, .. }) => "it ends at once, or is made for another system".into(),
        ran => match ran.and_then(|output| output.checked(command)) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
    };
    Err(ChangeError::Service {
        reason: format!(
            "{path} does not run here ({reason}). Nothing was changed: put a `proxy-engine` made for this system there"
        ),
    })
}

/// Stops the service and gives everything back: units, program, user and group, its state. Blocks;
/// asks for root where this process is not.
///
/// # Errors
/// [`ChangeError`]; what could not be given back stays in the journal.
pub fn remove(desks: &Desks) -> Result<Undone, ChangeError> {
    if !desks.root {
        return elevation::remove_engine(desks);
    }
    let _turn = desks.turn()?;
    let host = desks.local.as_ref();
    let desk = desk(desks);
    if desk.journal.records()?.is_empty() {
        // Nothing was installed, or one that was killed had come to its last step.
        if !FileId::EngineUnit.path().exists() {
            forget(host)?;
            remove_state(desks)?;
        }
        return Ok(Undone::default());
    }
    for unit in UNITS.into_iter().rev() {
        // A unit that was never written, or is stopped already, is as it should be.
        let _: Output = host.run(Command::DisableNow(unit))?;
    }
    lenders::remove(&desk)?;
    account::remove(&desk)?;
    let undone = desk.undo(None)?;
    forget(host)?;
    remove_state(desks)?;
    Ok(undone)
}

/// Makes systemd forget units that are gone.
fn forget(host: &dyn Host) -> Result<(), ChangeError> {
    if !host.has_systemd() {
        return Ok(());
    }
    run(host, Command::DaemonReload)?;
    for unit in UNITS {
        // Forgets that it failed once, if it did; a unit that systemd has forgotten is fine.
        let _: Output = host.run(Command::ResetFailed(unit))?;
    }
    Ok(())
}

/// Whether the service is there, and its control socket answers.
pub fn status() -> ServiceState {
    if std::os::unix::net::UnixStream::connect(CONTROL).is_ok() {
        ServiceState::Running
    } else if FileId::EngineUnit.path().exists() {
        ServiceState::Stopped
    } else {
        ServiceState::Absent
    }
}

/// The service's desk: the machine, and a journal of its own beside the targets'.
fn desk(desks: &Desks) -> Desk {
    Desk {
        host: desks.local.clone(),
        journal: Journal::at(desks.machine_journal.with_file_name("service-journal")),
    }
}

/// What lies at the file's place now.
fn written(desk: &Desk, file: &FileId) -> Result<Option<Vec<u8>>, ChangeError> {
    let place = crate::change::host::Place::of(file);
    Ok(desk.host.read(place)?.map(|image| image.bytes))
}

fn run(host: &dyn Host, command: Command<'_>) -> Result<Output, ChangeError> {
    host.run(command)?.checked(command)
}

fn wait_until_it_answers(host: &dyn Host) -> Result<(), ChangeError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if std::os::unix::net::UnixStream::connect(CONTROL).is_ok() {
            return Ok(());
        }
        // There is no event for a socket that another process will make.
        std::thread::sleep(Duration::from_millis(20));
    }
    let says = host.run(Command::Status(UnitId::Engine))?;
    Err(ChangeError::Service {
        reason: format!(
            "it was started and {CONTROL} does not answer: {}",
            says.stdout
                .trim()
                .lines()
                .last()
                .unwrap_or("`systemctl status gangway-engine` says why")
        ),
    })
}

/// The last policy, and the folders above once they are empty.
fn remove_state(desks: &Desks) -> Result<(), ChangeError> {
    let Some(state) = desks.machine_journal.parent() else {
        return Ok(());
    };
    let engine = state.join("engine");
    remove_tree(&engine)?;
    // An installation that did not come to its end.
    let _ = std::fs::remove_file(exchange::note(&desk(desks)));
    // The way to the engine's socket; systemd takes away what it led to.
    let _ = std::fs::remove_file(CONTROL);
    for folder in [Path::new("/run/gangway"), state] {
        // Other things of ours may still lie there: the targets' journal, root's agent.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(())
}

fn remove_tree(folder: &Path) -> Result<(), ChangeError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ChangeError::Io {
            doing: "remove",
            path: folder.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::beside;

    #[test]
    fn the_engine_that_root_will_run_is_looked_for_in_no_folder_above() {
        for (own, engine) in [
            ("/tmp/unpacked/gangway", "/tmp/unpacked/proxy-engine"),
            ("/target/debug/gangway", "/target/debug/proxy-engine"),
            ("/target/debug/deps/gangway-1", "/target/debug/proxy-engine"),
        ] {
            assert_eq!(beside(Path::new(own)).as_deref(), Some(Path::new(engine)));
        }
    }
}
