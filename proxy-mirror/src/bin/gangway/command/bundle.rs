//! `gangway doctor --bundle`: what somebody who helps needs to see, in one file.
//!
//! No password is in it, and no text of a file of the user's: what a plan would change is told by its
//! steps, since a diff shows lines beside them. Names of hosts and users are.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use proxy_mirror::control::{Door, Examination, Problem};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Failure;

#[derive(Serialize)]
struct Bundle<'a> {
    /// Version of this command.
    gangway: &'static str,
    /// Seconds since 1970.
    at: u64,
    system: System,
    doctor: &'a Examination,
    status: Value,
    plan: Value,
    settings: Value,
}

#[derive(Serialize)]
struct System {
    /// `Debian GNU/Linux 13 (trixie)`
    name: String,
    kernel: String,
    machine: String,
}

/// Writes the file, which nobody else can read; one that is there already is not written over.
pub(super) async fn write(
    path: &Path,
    door: &impl Door,
    doctor: &Examination,
) -> Result<(), Failure> {
    let mut plan = door.plan().await;
    if let Ok(plan) = &mut plan {
        plan.diff.clear();
    }
    let bundle = Bundle {
        gangway: env!("CARGO_PKG_VERSION"),
        at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
        system: system(),
        doctor,
        status: answer(door.status().await),
        plan: answer(plan),
        settings: answer(door.settings().await),
    };
    let text = serde_json::to_vec_pretty(&bundle).map_err(std::io::Error::other)?;
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(&text)?;
            file.write_all(b"\n")
        });
    written.map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        let problem = Problem::new("bundle_unwritten", message);
        problem
            .with("file", path.display())
            .with("reason", error)
            .into()
    })
}

/// What was answered, or why not.
fn answer<T: Serialize>(answered: Result<T, Problem>) -> Value {
    let value = match answered {
        Ok(answer) => serde_json::to_value(answer),
        Err(problem) => serde_json::to_value(problem),
    };
    value.unwrap_or_default()
}

fn system() -> System {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default();
    let uname = rustix::system::uname();
    System {
        name: name.trim_matches('"').to_owned(),
        kernel: uname.release().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
    }
}
