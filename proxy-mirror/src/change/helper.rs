//! The privileged side: typed errands on standard input, one answer on standard output.
//!
//! It believes nothing of what it reads: files and units come from its own list, every value is
//! validated again, and paths are walked as root must walk them. It is the hidden `gangway helper`,
//! started through `pkexec` or `sudo -n` where the agent is not root.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Change, ChangeError, Desks, Fingerprint, Owner, UnitId};
use crate::control::Undone;
use crate::engine_service;

#[cfg(test)]
mod tests;

/// Bytes above which a request is refused.
const LIMIT: u64 = 1 << 20;
/// The machine's journal.
const JOURNAL: &str = "/var/lib/gangway/journal";

/// What the helper is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
enum Request {
    CarryOut { errands: Vec<Errand> },
    Undo,
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

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", deny_unknown_fields)]
enum Answer {
    Done { undone: Option<Undone> },
    Failed { code: String, message: String },
}

/// Answers one request: `gangway helper`.
///
/// # Errors
/// Those of reading and writing; a request that is refused is an answer.
pub fn main(input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    input.take(LIMIT + 1).read_to_end(&mut bytes)?;
    let answer = match answer(&Desks::new(JOURNAL, JOURNAL), &bytes) {
        Ok(undone) => Answer::Done { undone },
        Err(error) => Answer::Failed {
            code: error.code().to_owned(),
            message: error.to_string(),
        },
    };
    serde_json::to_writer(&mut output, &answer)?;
    output.write_all(b"\n")
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
            // All are looked at before the first is carried out.
            for errand in &errands {
                let Some(file) = errand.change.file() else {
                    continue;
                };
                if file.owner() != Owner::System || file.is_engine_service() {
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
        Request::Undo => desk.undo().map(Some),
        Request::InstallEngine => engine_service::install(desks).map(|()| None),
        Request::RemoveEngine => engine_service::remove(desks).map(Some),
    }
}

pub(super) fn carry_out(errands: impl Iterator<Item = Errand>) -> Result<(), ChangeError> {
    ask(&Request::CarryOut {
        errands: errands.collect(),
    })
    .map(drop)
}

pub(super) fn undo() -> Result<Undone, ChangeError> {
    ask(&Request::Undo).map(Option::unwrap_or_default)
}

pub(crate) fn install_engine() -> Result<(), ChangeError> {
    ask(&Request::InstallEngine).map(drop)
}

pub(crate) fn remove_engine() -> Result<Undone, ChangeError> {
    ask(&Request::RemoveEngine).map(Option::unwrap_or_default)
}

/// Asks the privileged side: `pkexec` where somebody can answer its dialogue, else `sudo` without
/// asking.
fn ask(request: &Request) -> Result<Option<Undone>, ChangeError> {
    let own = std::env::current_exe().map_err(|error| ChangeError::Elevation {
        reason: error.to_string(),
        command: "sudo gangway apply".into(),
    })?;
    // The window hosts an agent too; the helper is the command's, which lies beside it.
    let program = own.with_file_name("gangway");
    let text = serde_json::to_vec(request).map_err(|error| ChangeError::Value {
        what: "a request".into(),
        reason: error.to_string(),
    })?;
    let mut reasons = Vec::new();
    for (elevate, arguments) in [("pkexec", &[][..]), ("sudo", &["-n", "--"][..])] {
        let mut command = Command::new(elevate);
        command.args(arguments).arg(&program).arg("helper");
        match run(command, &text) {
            Ok(Answer::Done { undone }) => return Ok(undone),
            Ok(Answer::Failed { code, message }) => {
                return Err(ChangeError::Helper { code, message });
            }
            Err(reason) => reasons.push(format!("{elevate}: {reason}")),
        }
    }
    Err(ChangeError::Elevation {
        reason: reasons.join("; "),
        command: by_hand(request, &program),
    })
}

fn by_hand(request: &Request, program: &Path) -> String {
    let what = match request {
        Request::CarryOut { .. } => "apply",
        Request::Undo => "undo",
        Request::InstallEngine => "engine install",
        Request::RemoveEngine => "engine remove",
    };
    format!("sudo {} {what}", program.display())
}

fn run(mut command: Command, request: &[u8]) -> Result<Answer, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses at once does not read; its own words say why.
        let _ = stdin.write_all(request);
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        if said.is_empty() {
            output.status.to_string()
        } else {
            said.to_owned()
        }
    })
}
