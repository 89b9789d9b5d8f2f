//! Asking the person at the terminal.

use std::io::{self, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use super::exit::Failure;

/// A password longer than this is a file sent by mistake.
const LONGEST_LINE: u64 = 4096;

/// Asks a yes-or-no question; only `y` and `yes` are a yes.
///
/// Without a terminal nobody can answer: a [`Failure`] that names `--yes`.
pub(crate) async fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "needs_yes",
            "nobody can be asked here (standard input is no terminal): look at `gangway plan`, then add --yes",
        ));
    }
    let answer = line(&format!("{question} [y/N] ")).await?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// Asks for a line of text; from a pipe, the next line of it.
pub(crate) async fn line(prompt: &str) -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        let mut out = io::stderr().lock();
        out.write_all(prompt.as_bytes())?;
        out.flush()?;
    }
    read_line().await
}

/// Asks for a password without showing it; from a pipe, the next line of it.
pub(crate) async fn password(prompt: &str) -> Result<SecretString, Failure> {
    let silence = Silence::over_terminal()?;
    let password = line(prompt).await;
    if silence.is_some() {
        // The newline that was typed was not shown either.
        let _ = writeln!(io::stderr());
    }
    drop(silence);
    let password = password?;
    if password.is_empty() {
        return Err(Failure::usage(
            "password_empty",
            "no password was given: type it at the prompt, or send it on standard input",
        ));
    }
    Ok(SecretString::from(password))
}

async fn read_line() -> Result<String, Failure> {
    let line = tokio::task::spawn_blocking(|| {
        use std::io::{BufRead, Read};
        let mut line = String::new();
        // The lock's buffer is shared: a second line of a pipe is still there for the next call.
        io::stdin()
            .lock()
            .by_ref()
            .take(LONGEST_LINE)
            .read_line(&mut line)?;
        Ok::<_, io::Error>(line)
    })
    .await
    .map_err(io::Error::other)??;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal without echo; as it was again when dropped, whichever way the command ends.
struct Silence(Termios);

impl Silence {
    fn over_terminal() -> Result<Option<Self>, Failure> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin).map_err(io::Error::from)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(io::Error::from)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
