//! One network namespace with a name, and ways to run things in it.

#![allow(unsafe_code, reason = "setns(2) moves one thread into a namespace")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{io, thread};

use crate::child::{self, Child, run};
use crate::{Result, TestbedError};

/// A named network namespace with its own `/etc/resolv.conf`; removed when dropped, with every
/// process that still runs in it.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes `PREFIX-ROLE` with `lo` up and `resolver` as its name server.
    pub(crate) fn create(prefix: &str, role: &str, resolver: Ipv4Addr) -> Result<Self> {
        let name = format!("{prefix}-{role}");
        let etc = etc_dir(&name);
        fs::create_dir_all(&etc).map_err(TestbedError::io(format!("create {}", etc.display())))?;
        let this = Self { name };
        let conf = etc.join("resolv.conf");
        fs::write(
            &conf,
            format!("nameserver {resolver}\noptions timeout:1 attempts:2\n"),
        )
        .map_err(TestbedError::io(format!("write {}", conf.display())))?;
        run(ip(&["netns", "add", &this.name]))?;
        this.ip("link set lo up")?;
        Ok(this)
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its handle: `/run/netns/NAME`.
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// A command that will run inside, with the namespace's resolver.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = ip(&["netns", "exec", &self.name]);
        command.arg(program);
        // A proxy of the machine that runs the tests is none of theirs.
        for name in ["http_proxy", "https_proxy", "no_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    /// Runs a program inside to its end, whatever its status.
    ///
    /// # Errors
    /// [`TestbedError::Spawn`].
    pub fn exec<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Result<Output> {
        let mut command = self.command(program);
        command.args(args);
        child::output(command)
    }

    /// Runs a shell line inside and returns its standard output.
    ///
    /// # Errors
    /// [`TestbedError::Failed`] with what it printed, when its status is not 0.
    pub fn sh(&self, line: &str) -> Result<String> {
        let mut command = self.command("sh");
        command.args(["-ec", line]);
        run(command)
    }

    /// Starts a program inside; it ends with the returned handle. Its output is piped when the
    /// command says so, and goes nowhere otherwise.
    ///
    /// # Errors
    /// [`TestbedError::Spawn`].
    pub fn spawn<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Result<Child> {
        let mut command = self.command(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Child::spawn(command)
    }

    /// `ip -n NAME ARGS…`, split at spaces.
    ///
    /// # Errors
    /// [`TestbedError::Failed`].
    pub fn ip(&self, args: &str) -> Result<String> {
        let mut command = ip(&["-n", &self.name]);
        command.args(args.split_whitespace());
        run(command)
    }

    /// The processes that have a thread inside.
    ///
    /// # Errors
    /// [`TestbedError::Failed`].
    pub fn pids(&self) -> Result<Vec<u32>> {
        pids(&self.name)
    }

    /// Runs `work` on a new thread inside the namespace. Sockets made there stay there, whoever
    /// uses them afterwards. Names resolve by the machine's own `/etc/resolv.conf` here: use
    /// addresses, or [`Netns::exec`].
    ///
    /// # Errors
    /// [`TestbedError::Io`] when the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let entered = self.door()?.enter(work);
        entered.map_err(TestbedError::io(format!("enter {}", self.path().display())))
    }

    /// A way in that a thread can keep.
    pub(crate) fn door(&self) -> Result<Door> {
        let path = self.path();
        File::open(&path)
            .map(Door)
            .map_err(TestbedError::io(format!("open {}", path.display())))
    }
}

/// An open handle of a network namespace.
#[derive(Debug)]
pub(crate) struct Door(File);

impl Door {
    /// Runs `work` on a new thread inside.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                // SAFETY: the descriptor is an open namespace; only this new thread moves.
                match unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) } {
                    0 => Ok(work()),
                    _ => Err(io::Error::last_os_error()),
                }
            });
            match inside.join() {
                Ok(answer) => answer,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Kills what runs in the namespace, then removes it and its files. Nothing here can be reported
/// to anyone: what stays is removed by the next test ([`super::sweep`]).
pub(super) fn remove(name: &str) {
    let own = std::process::id();
    for pid in pids(name).unwrap_or_default() {
        let pid = i32::try_from(pid).ok().filter(|_| pid != own);
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    let _ = run(ip(&["netns", "del", name]));
    let _ = fs::remove_dir_all(etc_dir(name));
}

fn pids(name: &str) -> Result<Vec<u32>> {
    let pids = run(ip(&["netns", "pids", name]))?;
    Ok(pids
        .lines()
        .filter_map(|pid| pid.trim().parse().ok())
        .collect())
}

/// `gwPID-N`, which no namespace bears yet.
pub(super) fn unused_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("gw{}-{n}", std::process::id());
        // A dead test with the same process id may have left its own behind.
        if !Path::new("/run/netns")
            .join(format!("{prefix}-pod"))
            .exists()
        {
            return prefix;
        }
    }
}

fn etc_dir(name: &str) -> PathBuf {
    Path::new("/etc/netns").join(name)
}

fn ip(args: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(args);
    command
}
