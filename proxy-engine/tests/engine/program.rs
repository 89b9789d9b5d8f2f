//! The `proxy-engine` program in a process of its own: other limits, another user.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::net::TcpStream;

/// `nobody`.
const UNPRIVILEGED: u32 = 65534;

const CONTROL: &str = "engine.sock";

/// A running engine; it ends with the test.
pub(crate) struct Program {
    child: Child,
    pub(crate) relay: SocketAddr,
    folder: tempfile::TempDir,
}

impl Program {
    /// Starts it as a user without privilege, with at most so many open files.
    pub(crate) async fn start(files: u64) -> Self {
        Self::start_as(UNPRIVILEGED, files).await
    }

    /// The same, as this user.
    pub(crate) async fn start_as(uid: u32, files: u64) -> Self {
        // That user may not be able to reach the build's folder.
        let folder = tempfile::tempdir().expect("folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        std::os::unix::fs::chown(folder.path(), Some(uid), None).expect("owner");
        let program = folder.path().join("proxy-engine");
        copy(env!("CARGO_BIN_EXE_proxy-engine"), &program);
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let relay = free.local_addr().expect("address");
        drop(free);
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n $0 && exec \"$@\"", &files.to_string()])
            .arg(&program)
            .args(["run", "--listen", &relay.to_string(), "--control"])
            .arg(folder.path().join(CONTROL))
            .env("RUST_LOG", "warn")
            .current_dir("/")
            .stdin(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(uid).gid(uid);
        }
        let child = command.spawn().expect("started");
        let mut started = Self {
            child,
            relay,
            folder,
        };
        let serves = async {
            while TcpStream::connect(relay).await.is_err() {
                let ended = started.child.try_wait().expect("a child");
                assert_eq!(ended, None, "it ended by itself");
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(crate::DEADLINE, serves).await;
        in_time.expect("it serves");
        started
    }

    /// Its control socket.
    pub(crate) fn control(&self) -> PathBuf {
        self.folder.path().join(CONTROL)
    }

    /// What its descriptors are.
    pub(crate) fn descriptors(&self) -> Vec<String> {
        descriptors(&self.child.id().to_string())
    }

    /// How many pipes it has, each of two descriptors.
    pub(crate) fn pipes(&self) -> usize {
        pipes(&self.descriptors())
    }

    /// Resident memory in bytes (proc(5), `status`).
    pub(crate) fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("it runs");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes.expect("a line").parse().expect("a number");
        kibibytes * 1024
    }
}

/// Copies a program that is started next. This process itself never has it open for writing: a
/// child that another test's thread begins at that moment would, too, and then nobody can start it
/// (execve(2), ETXTBSY).
fn copy(from: &str, to: &Path) {
    let copied = Command::new("cp").arg("--").arg(from).arg(to).status();
    assert!(copied.expect("cp").success(), "not copied");
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many pipes this process has.
pub(crate) fn own_pipes() -> usize {
    pipes(&descriptors("self"))
}

/// Lets this process open as many files as it may.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("raised");
}

/// Where the descriptors lead, but for the standard ones.
fn descriptors(process: &str) -> Vec<String> {
    let folder = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    folder
        .flatten()
        .filter(|entry| entry.file_name().len() > 1 || entry.file_name() > *"2")
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

fn pipes(descriptors: &[String]) -> usize {
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for link in descriptors.iter().filter(|link| link.starts_with("pipe:")) {
        *ends.entry(link).or_default() += 1;
    }
    // Of a pipe to another process, only one end is here.
    ends.values().filter(|ends| **ends == 2).count()
}
