//! A child process that cannot keep us for ever.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::Output;

/// dockerd may take a minute and a half to stop its containers; nothing we run takes longer.
const PATIENCE: Duration = Duration::from_mins(3);
/// Bytes of each of its outputs that are kept: a file's largest content, and more than any command of
/// ours says.
const MOST: usize = 4 << 20;
/// After its end, what it has said is there within this time.
const STRAGGLERS: Duration = Duration::from_secs(2);
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
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // Dropped when written: the child sees the end. One that does not read is not our error.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let (out, err) = (
        Pipe::read(child.stdout.take()),
        Pipe::read(child.stderr.take()),
    );
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
    Ok(Ended {
        status: status.code(),
        stdout: out.ended(),
        stderr: err.ended(),
    })
}

/// What comes out of a child.
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    ends: mpsc::Receiver<()>,
}

impl Pipe {
    /// Reads as it comes, and past [`MOST`] to nowhere, so that the child does not stand still.
    fn read(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ends) = mpsc::channel();
        let into = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut part = [0; 8192];
            let Some(mut pipe) = pipe else { return };
            // One that breaks has ended.
            while let Ok(read @ 1..) = pipe.read(&mut part) {
                let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MOST.saturating_sub(into.len());
                into.extend_from_slice(&part[..read.min(room)]);
            }
            // Nobody may wait any longer.
            let _ = end.send(());
        });
        Self { bytes, ends }
    }

    /// What came, once the child has ended: something that it left behind may hold the pipe open.
    fn ended(self) -> Vec<u8> {
        let _ = self.ends.recv_timeout(STRAGGLERS);
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::{MOST, finish};

    fn shell(line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn what_a_child_says_without_end_is_cut_and_it_ends() {
        let said = finish(shell("head -c 9000000 /dev/zero; echo done >&2"), b"").unwrap();
        assert_eq!((said.status, said.stdout.len()), (Some(0), MOST));
        assert_eq!(said.stderr, b"done\n");
    }

    #[test]
    fn what_a_child_leaves_behind_is_not_waited_for() {
        let begun = Instant::now();
        let said = finish(shell("echo here; sleep 20 &"), b"").unwrap();
        assert_eq!(
            (said.status, said.stdout.as_slice()),
            (Some(0), &b"here\n"[..])
        );
        assert!(begun.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_child_reads_what_it_is_given() {
        let said = finish(shell("cat"), &vec![b'x'; 300_000]).unwrap();
        assert_eq!(said.stdout.len(), 300_000);
    }
}
