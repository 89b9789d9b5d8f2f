//! Asking for root: a dialogue of the desktop's, a password on the terminal, or words that say what
//! to run.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::helper::{Answer, Errand, Request};
use super::{ChangeError, Desks};
use crate::control::Undone;
use crate::target::TargetId;

/// `pkexec`'s exit status where its dialogue was dismissed: the user said no (pkexec(1)).
const DISMISSED: i32 = 126;

/// Where root may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// By a dialogue of the desktop's, or not at all: nobody looks at the terminal of an agent.
    Aside,
    /// On this process's terminal, where somebody has just typed a command.
    OnTerminal,
}

impl Asking {
    /// Where a command may ask that somebody has typed.
    pub fn of_a_command() -> Self {
        if std::io::stdin().is_terminal() {
            Self::OnTerminal
        } else {
            Self::Aside
        }
    }

    /// The programs that are tried, in this order, with what they are told before the helper.
    fn ways(self) -> [&'static [&'static str]; 2] {
        match self {
            // pkexec would else ask in text, on whichever terminal the agent was started from.
            Self::Aside => [
                &["pkexec", "--disable-internal-agent"],
                &["sudo", "-n", "--"],
            ],
            // sudo first: it may still know the user, and asks where they type.
            Self::OnTerminal => [&["sudo", "--"], &["pkexec"]],
        }
    }
}

pub(super) fn carry_out(
    desks: &Desks,
    errands: impl Iterator<Item = Errand>,
) -> Result<(), ChangeError> {
    let errands = errands.collect();
    ask(desks, &Request::CarryOut { errands }).map(drop)
}

pub(super) fn undo(desks: &Desks, only: Option<&TargetId>) -> Result<Undone, ChangeError> {
    let target = only.cloned();
    ask(desks, &Request::Undo { target }).map(Option::unwrap_or_default)
}

pub(crate) fn install_engine(desks: &Desks) -> Result<(), ChangeError> {
    ask(desks, &Request::InstallEngine).map(drop)
}

pub(crate) fn remove_engine(desks: &Desks) -> Result<Undone, ChangeError> {
    ask(desks, &Request::RemoveEngine).map(Option::unwrap_or_default)
}

/// Asks again for what an agent was not given root for, on the terminal of this process. `file` is
/// that of [`ChangeError::Elevation`].
///
/// # Errors
/// [`ChangeError`].
pub fn finish(file: &Path) -> Result<Option<Undone>, ChangeError> {
    let text = std::fs::read(file).map_err(ChangeError::io("read", file))?;
    let request = serde_json::from_slice(&text).map_err(|error| ChangeError::Content {
        path: file.to_owned(),
        message: error.to_string(),
    })?;
    ask_at(Asking::OnTerminal, &request, file)
}

fn ask(desks: &Desks, request: &Request) -> Result<Option<Undone>, ChangeError> {
    let file = desks.user_journal.with_file_name("for-root.json");
    ask_at(desks.asking, request, &file)
}

/// Asks the privileged side. Where nobody gives root, the request is left in `file`, for root to
/// carry out by hand: with the user's settings, not with root's.
fn ask_at(asking: Asking, request: &Request, file: &Path) -> Result<Option<Undone>, ChangeError> {
    let text = serde_json::to_vec(request).map_err(|error| ChangeError::Value {
        what: "a request".into(),
        reason: error.to_string(),
    })?;
    let mut reasons = Vec::new();
    for way in asking.ways() {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).arg(program()).arg("helper");
        if asking == Asking::Aside {
            command.stderr(Stdio::piped());
        }
        match run(command, &text) {
            Ok(Answer::Done { undone }) => {
                // What was left there earlier is done, too, or no longer wanted.
                let _ = std::fs::remove_file(file);
                return Ok(undone);
            }
            Ok(Answer::Failed { code, message }) => {
                return Err(ChangeError::Helper { code, message });
            }
            Err(Refusal::Dismissed) => {
                reasons.push(format!("{}: the dialogue was dismissed", way[0]));
                break;
            }
            Err(Refusal::Because(reason)) => reasons.push(format!("{}: {reason}", way[0])),
        }
    }
    leave(file, &text)?;
    Err(ChangeError::Elevation {
        reason: reasons.join("; "),
        command: match request {
            Request::CarryOut { .. } | Request::Undo { .. } => by_hand(file),
            Request::InstallEngine => {
                as_root(&[&program().to_string_lossy(), "engine", "install", "--yes"])
            }
            Request::RemoveEngine => {
                as_root(&[&program().to_string_lossy(), "engine", "remove", "--yes"])
            }
        },
        file: file.to_owned(),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Dismissed,
    Because(String),
}

fn run(mut command: Command, request: &[u8]) -> Result<Answer, Refusal> {
    let failed = |error: std::io::Error| Refusal::Because(error.to_string());
    let is_pkexec = Path::new(command.get_program()).ends_with("pkexec");
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Refusal::Because("not installed".into()),
        _ => failed(error),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses at once does not read; its own words say why.
        let _ = stdin.write_all(request);
    }
    let output = child.wait_with_output().map_err(failed)?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        if is_pkexec && output.status.code() == Some(DISMISSED) {
            return Refusal::Dismissed;
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().map(str::trim).collect();
        Refusal::Because(match said.join(" ").trim() {
            "" => output.status.to_string(),
            said => said.to_owned(),
        })
    })
}

/// Puts the request where root finds it, readable by its user alone.
fn leave(file: &Path, request: &[u8]) -> Result<(), ChangeError> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        fresh.write_all(request)?;
        fresh.persist(file)?;
        Ok(())
    };
    written().map_err(ChangeError::io("write", file))
}

/// The command that carries out the request in `file`.
pub(super) fn by_hand(file: &Path) -> String {
    as_root(&[
        &program().to_string_lossy(),
        "helper",
        &file.to_string_lossy(),
    ])
}

/// The window hosts an agent too; the helper is the command's, which lies beside it.
fn program() -> PathBuf {
    std::env::current_exe().map_or_else(
        // Gone, or not to be known: then whichever is found by name.
        |_| PathBuf::from("gangway"),
        |own| own.with_file_name("gangway"),
    )
}

/// A command line that runs `words` as root, with what is installed here.
fn as_root(words: &[&str]) -> String {
    let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>();
    let line = line.join(" ");
    if is_installed("sudo") {
        format!("sudo {line}")
    } else {
        format!("su -c {}", quoted(&line))
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// One word of a shell command.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::{Asking, Refusal, quoted, run};

    #[test]
    fn a_dismissed_dialogue_is_a_no_and_other_ends_are_reasons() {
        let folder = tempfile::tempdir().unwrap();
        let ends = |name: &str, script: &str| {
            let program = folder.path().join(name);
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            let runs = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&program, runs).unwrap();
            let mut command = Command::new(program);
            command.stderr(Stdio::piped());
            run(command, b"{}").err()
        };
        assert_eq!(ends("pkexec", "exit 126"), Some(Refusal::Dismissed));
        let because = |reason: &str| Some(Refusal::Because(reason.to_owned()));
        assert_eq!(ends("sudo", "echo no >&2; exit 126"), because("no"));
        assert_eq!(
            ends("pkexec", "echo not; echo so >&2; exit 127"),
            because("so")
        );
        assert_eq!(ends("sudo", "exit 1"), because("exit status: 1"));
        let missing = run(Command::new(folder.path().join("none")), b"{}");
        assert_eq!(missing.err(), because("not installed"));
    }

    #[test]
    fn a_word_of_the_shell_stays_one_word() {
        assert_eq!(quoted("/opt/gangway/gangway"), "/opt/gangway/gangway");
        assert_eq!(quoted("/home/a b/$x"), "'/home/a b/$x'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn nobody_is_asked_on_a_terminal_that_nobody_looks_at() {
        for way in Asking::Aside.ways() {
            let silent = ["-n", "--disable-internal-agent"];
            assert!(way.iter().any(|word| silent.contains(word)), "{way:?}");
        }
    }
}
