//! The privileged side: typed errands on standard input, one answer on standard output.
//!
//! It believes nothing of what it reads: files and units come from its own list, every value is
//! validated again, and paths are walked as root must walk them. It is the hidden `gangway helper`,
//! started by [`super::elevation`] where the process that changes the machine is not root.

use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Change, ChangeError, Desks, Fingerprint, Owner, UnitId, elevation};
use crate::control::Undone;
use crate::engine_service;
use crate::target::TargetId;

#[cfg(test)]
mod tests;

/// Bytes above which a request is refused.
const LIMIT: u64 = 1 << 20;
/// The machine's journal.
const JOURNAL: &str = "/var/lib/gangway/journal";

/// What the helper is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub(super) enum Request {
    CarryOut {
        errands: Vec<Errand>,
    },
    Undo {
        #[serde(default)]
        target: Option<TargetId>,
    },
    InstallEngine,
    RemoveEngine,
}

/// One change, as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errand {
    /// The change.
    pub change: Change,
    /// Units that the plan restarts for it.
    pub restarts: Vec<UnitId>,
    /// The file as the plan saw it; `None` where there was none.
    pub seen: Option<Fingerprint>,
}

/// What it says in the end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", deny_unknown_fields)]
pub(super) enum Answer {
    Done { undone: Option<Undone> },
    Failed { code: String, message: String },
}

/// Answers one request: `gangway helper`.
///
/// # Errors
/// Those of reading and writing; a request that is refused is an answer.
pub fn main(input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    let answer = match answer(&desks(), &read(input)?) {
        Ok(undone) => Answer::Done { undone },
        Err(error) => Answer::Failed {
            code: error.code().to_owned(),
            message: error.to_string(),
        },
    };
    serde_json::to_writer(&mut output, &answer)?;
    output.write_all(b"\n")
}

/// Carries out the request in a file, for root who was shown `gangway helper FILE`.
///
/// # Errors
/// [`ChangeError`]: the file, who asks, or what came of it.
pub fn carry_out_file(file: &Path) -> Result<Option<Undone>, ChangeError> {
    let desks = desks();
    if !desks.root {
        return Err(ChangeError::Elevation {
            reason: "this process is not root".into(),
            command: elevation::by_hand(file),
            file: file.to_owned(),
        });
    }
    let bytes = std::fs::File::open(file)
        .and_then(read)
        .map_err(ChangeError::io("read", file))?;
    answer(&desks, &bytes)
}

fn desks() -> Desks {
    Desks::new(JOURNAL, JOURNAL)
}

fn read(input: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn answer(desks: &Desks, bytes: &[u8]) -> Result<Option<Undone>, ChangeError> {
    let refused = |reason: String| ChangeError::Value {
        what: "anything".into(),
        reason,
    };
    if bytes.len() as u64 > LIMIT {
        return Err(refused(format!("the request has more than {LIMIT} bytes")));
    }
    let request: Request = serde_json::from_slice(bytes)
        .map_err(|error| refused(format!("the request cannot be understood: {error}")))?;
    let desk = desks.machine_desk();
    match request {
        Request::CarryOut { errands } => {
            let _turn = desks.turn()?;
            // All are looked at before the first is carried out.
            for errand in &errands {
                if errand.change.owner() != Owner::System {
                    return Err(refused("what is a user's is not root's to change".into()));
                }
                let Some(file) = errand.change.file() else {
                    if errand.change.owner() != Owner::System {
                        return Err(refused("it is not root's to restart".into()));
                    }
                    continue;
                };
                if file.is_engine_service() {
                    return Err(refused(format!(
                        "{} is not root's to write",
                        file.path().display()
                    )));
                }
                let draft = desk.draft(&errand.change, file)?;
                if draft.fingerprint() != errand.seen {
                    return Err(ChangeError::Stale { path: draft.path });
                }
            }
            for errand in &errands {
                desk.carry_out(&errand.change, &errand.restarts)?;
            }
            Ok(None)
        }
        Request::Undo { target } => {
            let _turn = desks.turn()?;
            desk.undo(target.as_ref()).map(Some)
        }
        Request::InstallEngine => engine_service::install(desks).map(|()| None),
        Request::RemoveEngine => engine_service::remove(desks).map(Some),
    }
}
