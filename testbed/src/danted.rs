//! A company's SOCKS proxy: a real Dante on the proxy host, for versions 4 (not 4a) and 5.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use crate::child::Child;
use crate::net::{CorpNet, PROXY, require};
use crate::scratch;
use crate::squid::BasicLogin;
use crate::{Result, TestbedError, wait_for};

/// A running Dante; ends when dropped.
#[derive(Debug)]
pub struct Danted {
    address: SocketAddr,
    child: Child,
    dir: tempfile::TempDir,
}

impl Danted {
    /// Starts one at [`PROXY`] port `port`; with a login it lets in nobody else, and speaks
    /// version 5 alone.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or [`TestbedError::Failed`] with Dante's own words when it does
    /// not start.
    pub fn start(corp: &CorpNet, port: u16, login: Option<&BasicLogin>) -> Result<Self> {
        require("danted", "dante-server")?;
        let dir = scratch::folder("danted")?;
        let at = |name: &str| dir.path().join(name);
        let write = |name: &str, text: String| {
            fs::write(at(name), text).map_err(TestbedError::io(format!("write {name} for Dante")))
        };
        let address = SocketAddr::from((PROXY, port));
        write(
            "danted.conf",
            config(&at("log").display().to_string(), address, login),
        )?;
        let mut users = String::new();
        if let Some(login) = login {
            // Dante asks the system, so that it gets users of its own.
            let hash = hash(&login.password)?;
            write("shadow", format!("{}:{hash}:19000::::::\n", login.user))?;
            let known = fs::read_to_string("/etc/passwd")
                .map_err(TestbedError::io("read the system's users"))?;
            let user = format!("{}:x:65533:65534::/:/usr/sbin/nologin\n", login.user);
            write("passwd", known + &user)?;
            users = format!(
                "mount --bind {0}/passwd /etc/passwd; mount --bind {0}/shadow /etc/shadow; ",
                dir.path().display()
            );
        }
        // What runs in a namespace has mounts of its own.
        let mut command = corp.proxy.command("sh");
        let conf = at("danted.conf").display().to_string();
        command.args([
            "-ec",
            &format!("{users}exec danted -f {conf} -p {conf}.pid"),
        ]);
        let words = fs::File::create(at("stderr"))
            .map_err(TestbedError::io("make a file for Dante's words"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        let child = Child::spawn(command)?;
        let mut this = Self {
            address,
            child,
            dir,
        };
        this.ready(corp)?;
        Ok(this)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it logged: each connection that it makes, and each that it refuses.
    pub fn log(&self) -> String {
        // No file yet: nothing was asked of it.
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn ready(&mut self, corp: &CorpNet) -> Result<()> {
        let (address, child) = (self.address, &mut self.child);
        let started = wait_for("Dante listens", Duration::from_secs(20), || {
            if child.ended().is_some() {
                return Some(false);
            }
            let dial = || std::net::TcpStream::connect(address).is_ok();
            corp.proxy.enter(dial).ok().filter(|up| *up)
        });
        if matches!(started, Ok(true)) {
            return Ok(());
        }
        let words = fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default();
        Err(TestbedError::Failed {
            command: format!("danted at {address}"),
            status: started
                .map_or("does not listen after 20 s", |_| "ended")
                .into(),
            output: self.log() + &words,
        })
    }
}

fn config(log: &str, address: SocketAddr, login: Option<&BasicLogin>) -> String {
    let method = if login.is_some() { "username" } else { "none" };
    let (ip, port) = (address.ip(), address.port());
    // A line each: its grammar wants it so.
    format!(
        "logoutput: {log}\n\
         internal: {ip} port = {port}\n\
         external: outside\n\
         clientmethod: none\n\
         socksmethod: {method}\n\
         user.privileged: root\n\
         user.unprivileged: nobody\n\
         client pass {{\nfrom: 0/0 to: 0/0\nlog: error connect\n}}\n\
         socks pass {{\nfrom: 0/0 to: 0/0\ncommand: connect\nlog: error connect\n}}\n"
    )
}

/// As the system keeps passwords.
fn hash(password: &str) -> Result<String> {
    use std::io::{Read as _, Write as _};
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["passwd", "-6", "-stdin"]);
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut openssl = Child::spawn(openssl)?;
    let mut hash = String::new();
    let hashed = (|| {
        // Taken, so that its end is seen.
        if let Some(mut stdin) = openssl.stdin() {
            stdin.write_all(password.as_bytes())?;
        }
        openssl
            .stdout()
            .map_or(Ok(0), |mut out| out.read_to_string(&mut hash))
    })();
    hashed.map_err(TestbedError::io("hash a password"))?;
    Ok(hash.trim().to_owned())
}
