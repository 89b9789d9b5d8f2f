//! The company's proxy: a real squid on the proxy host.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::child::Child;
use crate::net::{CorpNet, PROXY, RESOLVER, require};
use crate::scratch;
pub use crate::scratch::SharedName;
use crate::{Result, TestbedError, wait_for};

mod access;

pub use access::{Access, BasicLogin};

/// A running squid; ends when dropped.
#[derive(Debug)]
pub struct Squid {
    address: SocketAddr,
    // Dropped in this order: the program, then what it writes to.
    child: Child,
    dir: tempfile::TempDir,
    _shared: SharedName,
}

impl Squid {
    /// Starts one at [`PROXY`] port 3128 that lets everybody through.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or [`TestbedError::Failed`] with squid's own words when it does
    /// not start.
    pub fn start(corp: &CorpNet) -> Result<Self> {
        Self::with_access(corp, 3128, &Access::Open)
    }

    /// Starts one at [`PROXY`] port `port` that wants a Basic login.
    ///
    /// # Errors
    /// As [`Squid::start`].
    pub fn with_basic(corp: &CorpNet, port: u16, login: &BasicLogin) -> Result<Self> {
        Self::with_access(corp, port, &Access::Basic(login.clone()))
    }

    /// Starts one at [`PROXY`] port `port` that lets through whom `access` says.
    ///
    /// # Errors
    /// As [`Squid::start`].
    pub fn with_access(corp: &CorpNet, port: u16, access: &Access) -> Result<Self> {
        require("squid", "squid")?;
        let dir = scratch::folder("squid")?;
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).map_err(TestbedError::io(format!("write {}", path.display())))
        };
        let address = SocketAddr::from((PROXY, port));
        let rules = access.set_up(dir.path())?;
        let path = dir.path().display().to_string();
        write("squid.conf", config(&path, address, &rules))?;
        // squid drops to the user `proxy`, which writes the log and runs the login check.
        corp.proxy.sh(&format!(
            "chmod 755 {0}; chown -R proxy:proxy {0}",
            dir.path().display()
        ))?;
        let conf = dir.path().join("squid.conf").display().to_string();
        // `-n`: shared memory and pid of its own beside other squids.
        let shared = SharedName::new();
        let words = fs::File::create(dir.path().join("stderr"))
            .map_err(TestbedError::io("make a file for squid's words"))?;
        let mut command = corp.proxy.command("squid");
        command.args(["-N", "-n", shared.as_str(), "-f", &conf]);
        command.envs(access.environment());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        let child = Child::spawn(command)?;
        let mut this = Self {
            address,
            child,
            dir,
            _shared: shared,
        };
        this.ready(corp)?;
        Ok(this)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it logged: a line a request, `METHOD TARGET STATUS USER` with `CONNECT name:443` for
    /// tunnels. A tunnel is logged when it ends.
    pub fn log(&self) -> Vec<String> {
        // No file yet: nothing was asked of it.
        let text = fs::read_to_string(self.path("access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a line of the log starts with `start`, and returns it.
    ///
    /// # Errors
    /// [`TestbedError::Late`] with the whole log after `within`.
    pub fn logged(&self, start: &str, within: Duration) -> Result<String> {
        let found = || self.log().into_iter().find(|line| line.starts_with(start));
        wait_for("", within, found).map_err(|_| TestbedError::Late {
            what: format!("squid logs `{start}`; it logged {:#?}", self.log()),
            seconds: within.as_secs_f32(),
        })
    }

    /// What it says of itself and of its helpers.
    pub fn words(&self) -> String {
        fs::read_to_string(self.path("cache.log")).unwrap_or_default()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(self) {
        self.child.signal(Signal::KILL);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ready(&mut self, corp: &CorpNet) -> Result<()> {
        let address = self.address;
        let child = &mut self.child;
        let started = wait_for("squid listens", Duration::from_secs(20), || {
            if child.ended().is_some() {
                return Some(false);
            }
            let dial = || std::net::TcpStream::connect(address).is_ok();
            corp.proxy.enter(dial).ok().filter(|up| *up)
        });
        if matches!(started, Ok(true)) {
            return Ok(());
        }
        // A log that it did not come to write is empty.
        let words = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        Err(TestbedError::Failed {
            command: format!("squid at {}", self.address),
            status: started
                .map_or("does not listen after 20 s", |_| "ended")
                .into(),
            output: words("cache.log") + &words("stderr"),
        })
    }
}

fn config(dir: &str, address: SocketAddr, rules: &str) -> String {
    format!(
        "http_port {address}\n\
         {rules}\
         logformat short %rm %ru %>Hs %un\n\
         access_log stdio:{dir}/access.log short\n\
         logfile_rotate 0\n\
         buffered_logs off\n\
         cache_log {dir}/cache.log\n\
         pid_filename {dir}/squid.pid\n\
         coredump_dir {dir}\n\
         cache deny all\n\
         cache_mem 1 MB\n\
         max_filedescriptors 4096\n\
         visible_hostname proxy.corp.test\n\
         dns_nameservers {RESOLVER}\n\
         pinger_enable off\n\
         netdb_filename none\n\
         shutdown_lifetime 0 seconds\n"
    )
}
