//! Processes that end with the test that started them, however that test ends.

#![allow(
    unsafe_code,
    reason = "a process' parent-death signal is set between fork and exec"
)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;
use std::{io, thread};

use crate::{Result, TestbedError, wait_for};

/// A running process; killed and reaped when dropped, and by the kernel when the test dies.
#[derive(Debug)]
pub struct Child {
    command: String,
    inner: std::process::Child,
}

impl Child {
    /// Starts `command`.
    ///
    /// # Errors
    /// [`TestbedError::Spawn`].
    pub fn spawn(command: Command) -> Result<Self> {
        let line = describe(&command);
        on_spawner(command, Command::spawn)
            .map(|inner| Self {
                command: line.clone(),
                inner,
            })
            .map_err(|source| TestbedError::Spawn {
                command: line,
                source,
            })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.inner.id()
    }

    /// Its standard input, when that was piped and not taken before.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.inner.stdin.take()
    }

    /// Its standard output, when that was piped and not taken before.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.inner.stdout.take()
    }

    /// Its standard error, when that was piped and not taken before.
    pub fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.inner.stderr.take()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.inner.try_wait().ok().flatten()
    }

    /// Sends `signal`; a process that is gone already is no error.
    pub fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = i32::try_from(self.pid())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            // Gone between two looks: what was wanted has happened.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// [`TestbedError::Late`] when it still runs after `within`; it is killed then.
    pub fn terminate(mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(rustix::process::Signal::TERM);
        let what = format!("`{}` ends after SIGTERM", self.command);
        wait_for(&what, within, || self.ended())
    }

    /// Kills it as the kernel would, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// Waits for its end and collects what it printed.
    ///
    /// # Errors
    /// [`TestbedError::Late`] when it still runs after `within`; it is killed then.
    pub fn output(mut self, within: Duration) -> Result<Output> {
        let stdout = self.inner.stdout.take().map(drain);
        let stderr = self.inner.stderr.take().map(drain);
        let what = format!("`{}` ends", self.command);
        let status = wait_for(&what, within, || self.ended())?;
        let collect = |from: Option<thread::JoinHandle<Vec<u8>>>| {
            from.and_then(|reader| reader.join().ok())
                .unwrap_or_default()
        };
        Ok(Output {
            status,
            stdout: collect(stdout),
            stderr: collect(stderr),
        })
    }

    fn end(&mut self) {
        // It may have ended by itself; it is reaped either way.
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `command` to its end and returns what it printed, whatever its status.
///
/// # Errors
/// [`TestbedError::Spawn`].
pub(crate) fn output(mut command: Command) -> Result<Output> {
    let line = describe(&command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    on_spawner(command, Command::spawn)
        .and_then(std::process::Child::wait_with_output)
        .map_err(|source| TestbedError::Spawn {
            command: line,
            source,
        })
}

/// Runs `command` and returns its standard output.
///
/// # Errors
/// [`TestbedError::Failed`] with everything it printed, when its status is not 0.
pub(crate) fn run(command: Command) -> Result<String> {
    let line = describe(&command);
    let output = output(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(TestbedError::Failed {
        command: line,
        status: output.status.to_string(),
        output: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim_end()
        ),
    })
}

fn drain(mut from: impl io::Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

type Job = Box<dyn FnOnce() + Send>;

/// Starts processes on one thread that lives as long as the test's process: the parent-death
/// signal fires at the end of the *thread* that forked (prctl(2)), and test threads end early.
fn on_spawner<T: Send + 'static>(
    mut command: Command,
    start: impl FnOnce(&mut Command) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || queue.iter().for_each(|job| job()));
        jobs
    });
    // SAFETY: prctl(2) is a plain system call: nothing is allocated and no lock is taken between
    // fork and exec.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        );
    }
    let (answer, result) = mpsc::channel();
    let job: Job = Box::new(move || {
        // The asker waits below, so that the answer always has a taker.
        let _ = answer.send(start(&mut command));
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    spawner.send(job).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}
