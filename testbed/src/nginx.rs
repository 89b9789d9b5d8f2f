//! A web server of a company: a real nginx on loopback that serves a folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::Child;
use crate::net::require;
use crate::{Result, TestbedError, scratch, wait_for};

/// A running nginx; ends when dropped.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    // Dropped in this order: the program, then what it writes to.
    _child: Child,
    dir: tempfile::TempDir,
}

impl Nginx {
    /// Starts one on a free port of loopback whose `location`s have these lines besides:
    /// `charset windows-1252;`.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or [`TestbedError::Late`] when it does not come to listen.
    pub fn start(lines: &str) -> Result<Self> {
        require("nginx", "nginx-light")?;
        let dir = scratch::folder("nginx")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(TestbedError::io("find a port for nginx"))?;
        let conf = dir.path().join("nginx.conf");
        let text = config(&dir.path().display().to_string(), address, lines);
        fs::write(&conf, text).map_err(TestbedError::io("write nginx.conf"))?;
        fs::create_dir(dir.path().join("www")).map_err(TestbedError::io("make nginx's folder"))?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&conf).arg("-p").arg(dir.path());
        command.args(["-e", "stderr"]);
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = Child::spawn(command)?;
        let listens = || TcpStream::connect(address).ok();
        wait_for("nginx listens", Duration::from_secs(10), listens)?;
        Ok(Self {
            address,
            _child: child,
            dir,
        })
    }

    /// The URL of a file in its folder.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Puts a file there, at once or not at all.
    ///
    /// # Errors
    /// [`TestbedError`] when it cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let fresh = self.dir.path().join("fresh");
        fs::write(&fresh, bytes)
            .and_then(|()| fs::rename(&fresh, self.file(name)))
            .map_err(TestbedError::io(format!("write {name}")))
    }

    /// Takes a file away.
    ///
    /// # Errors
    /// [`TestbedError`] when there is none.
    pub fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.file(name)).map_err(TestbedError::io(format!("remove {name}")))
    }

    /// What it logged: a line a request, `METHOD PATH STATUS`.
    pub fn log(&self) -> Vec<String> {
        // No file yet: nothing was asked of it.
        let text = fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("www").join(name)
    }
}

fn config(dir: &str, address: SocketAddr, lines: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("  {what}_temp_path {dir}/{what};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {dir}/pid;\nevents {{}}\nhttp {{\n\
         log_format short '$request_method $uri $status';\n  access_log {dir}/access.log short;\n\
         {temporary}  types {{ application/x-ns-proxy-autoconfig pac dat; }}\n\
         server {{\n    listen {address};\n    root {dir}/www;\n    location / {{ {lines} }}\n  }}\n}}\n"
    )
}
