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

/// The user name and password that a squid with [`Squid::with_basic`] accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicLogin {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

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
        Self::launch(corp, 3128, None)
    }

    /// Starts one at [`PROXY`] port `port` that wants a Basic login.
    ///
    /// # Errors
    /// As [`Squid::start`].
    pub fn with_basic(corp: &CorpNet, port: u16, login: &BasicLogin) -> Result<Self> {
        Self::launch(corp, port, Some(login))
    }

    fn launch(corp: &CorpNet, port: u16, login: Option<&BasicLogin>) -> Result<Self> {
        require("squid", "squid")?;
        let dir = scratch::folder("squid")?;
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).map_err(TestbedError::io(format!("write {}", path.display())))
        };
        let address = SocketAddr::from((PROXY, port));
        write(
            "squid.conf",
            config(&dir.path().display().to_string(), address, login),
        )?;
        if let Some(login) = login {
            write("check", checker(login))?;
        }
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

fn config(dir: &str, address: SocketAddr, login: Option<&BasicLogin>) -> String {
    let access = if login.is_some() {
        format!(
            "auth_param basic program /usr/bin/perl {dir}/check\n\
             auth_param basic realm Example Corp\n\
             acl known proxy_auth REQUIRED\n\
             http_access allow known\n\
             http_access deny all\n"
        )
    } else {
        "http_access allow all\n".into()
    };
    format!(
        "http_port {address}\n\
         {access}\
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

/// squid asks a line at a time, `USER PASSWORD`, each percent-encoded as RFC 1738 has it.
fn checker(login: &BasicLogin) -> String {
    let hex = |word: &str| {
        word.bytes()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .concat()
    };
    format!(
        "$| = 1;\n\
         while (<STDIN>) {{\n\
         \x20 chomp;\n\
         \x20 my @words = map {{ s/%([0-9a-fA-F]{{2}})/chr hex $1/ge; unpack 'H*', $_ }} split / /;\n\
         \x20 print \"@words\" eq '{} {}' ? \"OK\\n\" : \"ERR\\n\";\n\
         }}\n",
        hex(&login.user),
        hex(&login.password)
    )
}
