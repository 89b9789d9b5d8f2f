//! A SOCKS proxy as people make one over SSH: a real `ssh -D`, for versions 4, 4a and 5, and the
//! real `sshd` that it goes out by.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::child::{Child, run};
use crate::net::{CorpNet, PROXY, require};
use crate::{Result, TestbedError, scratch, wait_for};

/// Where the daemon listens, on the proxy host's loopback.
const SSHD: u16 = 2222;

/// A running pair; ends when dropped.
#[derive(Debug)]
pub struct SshSocks {
    address: SocketAddr,
    // Dropped in this order: who asks, who answers, their keys.
    _ssh: Child,
    _sshd: Child,
    dir: tempfile::TempDir,
}

impl SshSocks {
    /// Starts one at [`PROXY`] port `port`, with keys of its own. Names are resolved by the daemon.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or [`TestbedError::Late`] with what both said when it does not
    /// listen.
    pub fn start(corp: &CorpNet, port: u16) -> Result<Self> {
        require("sshd", "openssh-server")?;
        require("ssh", "openssh-client")?;
        let dir = scratch::folder("ssh")?;
        let at = |name: &str| dir.path().join(name).display().to_string();
        for key in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]);
            run(keygen)?;
        }
        let known = |from: &str, to: &str| {
            fs::copy(at(from), at(to)).map_err(TestbedError::io("copy a key of SSH's"))
        };
        known("client.pub", "authorized")?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700))
            .map_err(TestbedError::io("close the folder of SSH's keys"))?;
        // Its own folder of rights is made by whoever starts it as a service.
        fs::create_dir_all("/run/sshd").map_err(TestbedError::io("make /run/sshd"))?;
        let write = |name: &str, text: String| {
            fs::write(at(name), text).map_err(TestbedError::io(format!("write {name} for SSH")))
        };
        write("sshd_config", server(&at))?;
        let loud = |command: &mut Command, name: &str| {
            let words = fs::File::create(at(name)).map_err(TestbedError::io("make a log"))?;
            command.stdin(std::process::Stdio::null());
            command.stdout(std::process::Stdio::null()).stderr(words);
            Ok::<(), TestbedError>(())
        };
        let mut sshd = corp.proxy.command("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f", &at("sshd_config")]);
        loud(&mut sshd, "sshd.log")?;
        let sshd = Child::spawn(sshd)?;
        wait_for("sshd listens", Duration::from_secs(20), || {
            let dial = || std::net::TcpStream::connect(("127.0.0.1", SSHD)).is_ok();
            corp.proxy.enter(dial).ok().filter(|up| *up)
        })?;
        let address = SocketAddr::from((PROXY, port));
        let mut ssh = corp.proxy.command("ssh");
        ssh.args(["-F", "none", "-N", "-vv", "-D", &address.to_string()]);
        ssh.args(["-i", &at("client"), "-p", &SSHD.to_string()]);
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "ExitOnForwardFailure=yes",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.arg("root@127.0.0.1");
        loud(&mut ssh, "ssh.log")?;
        let this = Self {
            address,
            _ssh: Child::spawn(ssh)?,
            _sshd: sshd,
            dir,
        };
        let listens = wait_for("", Duration::from_secs(20), || {
            let dial = || std::net::TcpStream::connect(address).is_ok();
            corp.proxy.enter(dial).ok().filter(|up| *up)
        });
        listens.map_err(|_| TestbedError::Late {
            what: format!("ssh -D listens; it said {}", this.log()),
            seconds: 20.0,
        })?;
        Ok(this)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What both said: a line a connection, with the version and the name or address asked for.
    pub fn log(&self) -> String {
        let said = |name: &str| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        said("ssh.log") + &said("sshd.log")
    }
}

fn server(at: &dyn Fn(&str) -> String) -> String {
    let pid = Path::new(&at("sshd.pid")).display().to_string();
    format!(
        "Port {SSHD}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile {pid}\n\
         AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n\
         PasswordAuthentication no\nAllowTcpForwarding yes\n",
        at("host"),
        at("authorized")
    )
}
