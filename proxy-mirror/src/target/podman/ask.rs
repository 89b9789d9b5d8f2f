//! Podman is asked for its environment, as it is once it has read its files.
//!
//! It has no word for that. But a program that it starts has its environment: it is told to look up
//! who is logged in to a registry that there is none of, whose credentials a helper of ours holds
//! (github.com/docker/docker-credential-helpers, as containers-auth.json(5) has them), and the
//! helper says what it was given. Nothing is pulled and nothing goes over a network. So that it
//! makes no storage and no user namespace for that, it believes that its service is elsewhere: where
//! one is asked whether it is there (`/libpod/_ping`), and for nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

/// It answers in a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nothing that it says here is longer.
const LONGEST: u64 = 64 << 10;
/// What the helper's lines begin with, among Podman's own.
const MARK: &str = "gangway-podman ";

const HELPER: &str = "#!/bin/sh
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  eval \"[ -n \\\"\\${$name+set}\\\" ]\" || continue
  eval \"printf 'gangway-podman %s=%s\\\\n' $name \\\"\\$$name\\\"\" >&2
done
printf '{\"ServerURL\":\"gangway.invalid\",\"Username\":\"gangway\",\"Secret\":\"none\"}\\n'
";
const LOGINS: &str = r#"{"credHelpers":{"gangway.invalid":"gangway"}}"#;
/// Newer than any: only an older service than its own is refused.
const PONG: &[u8] =
    b"HTTP/1.1 200 OK\r\nLibpod-API-Version: 99.0.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";

/// Its version; `None` where it does not say.
pub(super) async fn version(program: &Path) -> Option<String> {
    let said = words_of(program, &["--version"]).await.ok()?;
    let version = said.trim().strip_prefix("podman version ")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-+~".contains(c);
    (version.len() < 64 && version.chars().all(plain)).then(|| version.to_owned())
}

/// The proxies of its environment, or its own words where it does not come so far. What asks it is
/// put into `folder`.
pub(super) async fn variables(
    program: &Path,
    folder: &Path,
) -> Result<BTreeMap<String, String>, String> {
    let failed = |error: io::Error| error.to_string();
    let helper = helper(folder).map_err(failed)?;
    let service = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = service.local_addr().map_err(failed)?;
    let mut path = helper.path().as_os_str().to_owned();
    if let Some(others) = std::env::var_os("PATH") {
        path.push(OsString::from(":"));
        path.push(others);
    }
    let mut command = Command::new(program);
    command
        .arg("--url")
        .arg(format!("tcp://{address}"))
        .args(["login", "--get-login", "--authfile"])
        .arg(helper.path().join("auth.json"))
        .arg("gangway.invalid")
        .env("PATH", path);
    let said = tokio::select! {
        said = run(command) => said.map_err(failed)?,
        never = answer(&service) => match never {},
    };
    if said.out.trim() != "gangway" {
        return Err(words(&said.err));
    }
    let lines = said.err.lines().filter_map(|line| line.strip_prefix(MARK));
    let variables = lines.filter_map(|line| line.split_once('='));
    Ok(variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// What it prints.
pub(super) async fn words_of(program: &Path, arguments: &[&str]) -> io::Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(run(command).await?.out)
}

struct Output {
    out: String,
    err: String,
}

/// Runs it to its end; what it says beyond the longest answer is not read.
async fn run(mut command: Command) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let end = async {
        let (out, err) = tokio::try_join!(read(out), read(err))?;
        child.wait().await?;
        Ok(Output { out, err })
    };
    tokio::time::timeout(PATIENCE, end)
        .await
        .unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it did not answer in time",
            ))
        })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(LONGEST).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Says that there is a service, as long as somebody asks.
async fn answer(service: &TcpListener) -> std::convert::Infallible {
    loop {
        let Ok((mut asker, _)) = service.accept().await else {
            // No file left for one more connection: it is asked again.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let answered = async {
            // Its question comes in one piece, and any is answered alike.
            if asker.read(&mut [0; 4096]).await? == 0 {
                return Ok(());
            }
            asker.write_all(PONG).await
        };
        // Whoever is gone needs no answer, and whoever asks nothing gets none.
        let _ = tokio::time::timeout(Duration::from_secs(1), answered).await;
    }
}

/// A folder of its own for the helper, which goes when this is dropped.
fn helper(folder: &Path) -> io::Result<tempfile::TempDir> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let own = tempfile::Builder::new()
        .prefix(".podman-")
        .tempdir_in(folder)?;
    fs::write(own.path().join("auth.json"), LOGINS)?;
    let program = own.path().join("docker-credential-gangway");
    fs::write(&program, HELPER)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700))?;
    Ok(own)
}

/// What it says of a failure: its last line, which may name anything.
fn words(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    let last = last.unwrap_or("it says nothing");
    // Its log has the time of day in each line: the same failure would never be the same.
    let message = last.split_once("msg=\"").map(|(_, message)| message);
    let message = message.and_then(|message| message.rsplit_once('"'));
    let said = message.map_or_else(|| last.to_owned(), |(message, _)| message.replace('\\', ""));
    said.escape_debug().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_same_failure_is_told_in_the_same_words() {
        let said = |at: &str| {
            words(&format!(
                "time=\"2026-11-27T{at}Z\" level=error msg=\"no \\\"x\\\" in \\\"y\\\"\"\n\n"
            ))
        };
        assert_eq!(said("13:07:32"), said("13:07:33"));
        assert_eq!(said("13:07:32"), "no \\\"x\\\" in \\\"y\\\"");
        assert_eq!(words("Error: it broke\n"), "Error: it broke");
        assert_eq!(words(""), "it says nothing");
    }
}
