//! A child process that cannot keep us for ever.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Output;

/// dockerd may take a minute and a half to stop its containers; nothing we run takes longer.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often an unfinished child is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A child that has ended.
pub(super) struct Ended {
    /// `None` where a signal ended it, or there was no such program.
    pub(super) status: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Ended {
    pub(super) fn into_output(self) -> Output {
        Output {
            status: self.status,
            stdout: String::from_utf8_lossy(&self.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&self.stderr).into_owned(),
        }
    }
}

/// Runs to the end, with `input` on standard input. A program that is not there is an answer (no
/// status), not an error.
pub(super) fn finish(mut command: Command, input: &[u8]) -> std::io::Result<Ended> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = command.get_program().to_string_lossy().into_owned();
            let stderr = format!("`{name}` is not installed").into_bytes();
            return Ok(Ended {
                status: None,
                stdout: Vec::new(),
                stderr,
            });
        }
        Err(error) => return Err(error),
    };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        // Dropped when written: the child sees the end. One that does not read is not our error.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        let out = scope.spawn(move || all(stdout));
        let err = scope.spawn(move || all(stderr));
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                return Err(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("it did not end within {} s", PATIENCE.as_secs()),
                ));
            }
            std::thread::sleep(LOOK);
        };
        let read = |thread: std::thread::ScopedJoinHandle<'_, std::io::Result<Vec<u8>>>| {
            thread
                .join()
                .unwrap_or_else(|_| Err(std::io::Error::other("its output was lost")))
        };
        Ok(Ended {
            status: status.code(),
            stdout: read(out)?,
            stderr: read(err)?,
        })
    })
}

fn all(pipe: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
