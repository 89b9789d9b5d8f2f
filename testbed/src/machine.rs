//! A machine with systemd as its process 1: namespaces, an overlay for a disk, and a cable.
//!
//! It needs no container engine on the machine that runs the tests. `testbed/workstation/launch`
//! boots it in about a second, on a file system that `testbed/workstation/build-root` makes once.
//! When the test's process ends, however it ends, the kernel ends the machine with it.

mod cgroup;
mod disk;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::child::{self, Child, run};
use crate::net::require;
use crate::{Result, TestbedError, wait_for};

use disk::Disk;
pub use disk::state;
pub(crate) use disk::{root, script};

/// Longer than any boot or shutdown that will ever succeed, on a machine that does other things.
const BOOT: Duration = Duration::from_mins(1);

/// A running machine; it is switched off, and its disk removed, when dropped.
#[derive(Debug)]
pub struct Machine {
    /// Also its host name and cgroup.
    name: String,
    disk: Disk,
    power: Option<Child>,
    /// Its process 1, in the process ids of the test.
    pid1: u32,
}

/// Plugs the network cable of the machine whose process 1 is given: it must bring up `eth0`.
pub(crate) type Plug<'a> = &'a dyn Fn(u32) -> Result<()>;

impl Machine {
    /// A new machine with an empty disk of its own, switched off; `role` ends its name.
    pub(crate) fn new(role: &str) -> Result<Self> {
        crate::net::require_root()?;
        for (program, package) in [
            ("unshare", "util-linux"),
            ("nsenter", "util-linux"),
            ("findmnt", "util-linux"),
        ] {
            require(program, package)?;
        }
        let disk = Disk::new(role)?;
        Ok(Self {
            name: disk.name(),
            disk,
            power: None,
            pid1: 0,
        })
    }

    /// Writes a file to the disk of a machine that is switched off.
    pub(crate) fn prepare(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.disk.prepare(path, bytes)
    }

    /// Switches it on and waits until systemd has started everything. With `inside`, it runs
    /// among the processes of that other machine, as a virtual machine does on its host.
    pub(crate) fn boot(&mut self, inside: Option<&Self>, plug: Plug<'_>) -> Result<()> {
        let mut command = match inside {
            Some(host) => {
                let mut enter = Command::new("nsenter");
                enter.args(["-p", "-t", &host.pid1.to_string(), "--"]);
                enter.arg(script("launch"));
                enter
            }
            None => Command::new(script("launch")),
        };
        command
            .args([self.disk.root(), self.disk.path()])
            .arg(&self.name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut power = Child::spawn(command)?;
        let found = wait_for(
            &format!("{} has a process 1", self.name),
            BOOT,
            || match power.ended() {
                Some(_) => Some(None),
                None => below_unshare(power.pid()).map(Some),
            },
        )?;
        let Some(pid1) = found else {
            return Err(TestbedError::Failed {
                command: format!("launch {}", self.name),
                status: "ended before its process 1 began".into(),
                output: complaint(&mut power),
            });
        };
        self.pid1 = pid1;
        self.power = Some(power);
        plug(pid1)?;
        self.started()
    }

    fn started(&mut self) -> Result<()> {
        let exe = PathBuf::from(format!("/proc/{}/exe", self.pid1));
        wait_for(
            &format!("{} runs systemd", self.name),
            BOOT,
            || match fs::read_link(&exe) {
                Ok(program) => program.ends_with("systemd").then_some(()),
                Err(_) => None,
            },
        )?;
        // `degraded` is a machine on which some unit failed: up, but not as it should be.
        let up = wait_for(&format!("{} is up", self.name), BOOT, || {
            let asked = self
                .exec("systemctl", &["is-system-running", "--wait"])
                .ok()?;
            let state = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
            ["running", "degraded"]
                .contains(&state.as_str())
                .then_some(state)
        })?;
        if up == "running" {
            return Ok(());
        }
        Err(TestbedError::Failed {
            command: format!("boot {}", self.name),
            status: up,
            output: self
                .sh("systemctl --failed; journalctl -b -p warning --no-pager | tail -n 40")?,
        })
    }

    /// Asks systemd to switch the machine off, and waits until it is.
    pub(crate) fn shut_down(&mut self) -> Result<()> {
        // The connection may end before the answer: the machine is going down, as asked.
        let _ = self.exec("systemctl", &["poweroff"]);
        if let Some(mut power) = self.power.take() {
            wait_for(&format!("{} is off", self.name), BOOT, || power.ended())?;
        }
        cgroup::emptied(&self.name)
    }

    /// Pulls the plug: no process of the machine gets to say anything.
    pub(crate) fn cut_power(&mut self) -> Result<()> {
        if let Some(mut power) = self.power.take() {
            // Process 1 first, so that its parent reaps it; the kernel kills all the others.
            if let Some(pid1) = i32::try_from(self.pid1).ok().and_then(Pid::from_raw) {
                // Gone already: then the parent ends by itself just as well.
                let _ = rustix::process::kill_process(pid1, Signal::KILL);
            }
            let off = format!("{} loses power", self.name);
            wait_for(&off, Duration::from_secs(10), || power.ended())?;
        }
        cgroup::emptied(&self.name)
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process 1, in the process ids of the test.
    pub fn pid(&self) -> u32 {
        self.pid1
    }

    /// A command that will run as root in the machine, as a root shell would start it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--all", "--wd=/", "--target", &self.pid1.to_string(), "--"])
            .arg(program)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/root")
            .env("USER", "root")
            .env("LANG", "C.UTF-8");
        command
    }

    /// Runs a program as root to its end, whatever its status.
    ///
    /// # Errors
    /// [`TestbedError::Spawn`].
    pub fn exec<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Result<Output> {
        let mut command = self.command(program);
        command.args(args);
        child::output(command)
    }

    /// Runs a shell line as root and returns its standard output.
    ///
    /// # Errors
    /// [`TestbedError::Failed`] with what it printed, when its status is not 0.
    pub fn sh(&self, line: &str) -> Result<String> {
        let mut command = self.command("sh");
        command.args(["-ec", line]);
        run(command)
    }

    /// Where a file of the machine is for the test: an absolute path without symbolic links to
    /// absolute paths on its way (those would lead out of the machine).
    pub fn path(&self, inside: &str) -> PathBuf {
        let root = format!("/proc/{}/root", self.pid1);
        Path::new(&root).join(inside.trim_start_matches('/'))
    }

    /// Copies a file into the machine with its mode, and makes the folders on the way.
    ///
    /// # Errors
    /// [`TestbedError::Io`] naming both paths.
    pub fn copy_in(&self, from: &Path, to: &str) -> Result<()> {
        self.write_with(to, |path| fs::copy(from, path).map(drop))
            .map_err(|source| TestbedError::Io {
                what: format!("copy {} to {}:{to}", from.display(), self.name),
                source,
            })
    }

    /// Writes a file in the machine, and makes the folders on the way.
    ///
    /// # Errors
    /// [`TestbedError::Io`].
    pub fn write(&self, to: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.write_with(to, |path| fs::write(path, bytes))
            .map_err(TestbedError::io(format!("write {}:{to}", self.name)))
    }

    fn write_with(
        &self,
        to: &str,
        write: impl FnOnce(&Path) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let path = self.path(to);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        write(&path)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What cannot be removed now, the next test removes.
        let _ = self.cut_power();
    }
}

/// The process that `unshare`, some generations below `pid`, has started.
fn below_unshare(mut pid: u32) -> Option<u32> {
    loop {
        let passed = comm(pid)?.trim() == "unshare";
        pid = only_child(pid)?;
        if passed {
            return Some(pid);
        }
    }
}

/// A line of `/proc/PID/status`.
pub(crate) fn status_field(pid: u32, name: &str) -> Result<String> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(TestbedError::io(format!("read {path}")))?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(field, _)| *field == name);
    Ok(found.map_or_else(String::new, |(_, value)| value.trim().to_owned()))
}

fn comm(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok()
}

fn only_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn complaint(power: &mut Child) -> String {
    use std::io::Read;
    let mut said = String::new();
    if let Some(mut stderr) = power.stderr() {
        // Half of what it said is better than nothing.
        let _ = stderr.read_to_string(&mut said);
    }
    said
}
