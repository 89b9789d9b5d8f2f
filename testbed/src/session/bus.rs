//! The session bus.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::Folders;
use crate::child::Child;
use crate::net::require;
use crate::{Result, TestbedError};

/// A running `dbus-daemon`.
#[derive(Debug)]
pub(super) struct Bus {
    address: String,
    _daemon: Child,
}

impl Bus {
    /// Its configuration names no service that it would start by itself: what is on the bus is
    /// what a test put there.
    pub(super) fn start(folders: &Folders) -> Result<Self> {
        require("dbus-daemon", "dbus")?;
        let config = folders.root().join("bus.conf");
        fs::write(&config, configuration(&folders.runtime().join("bus")))
            .map_err(TestbedError::io(format!("write {}", config.display())))?;
        let mut command = Command::new("dbus-daemon");
        command
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--config-file={}", config.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        folders.enter(&mut command);
        let mut daemon = Child::spawn(command)?;
        let mut address = String::new();
        if let Some(stdout) = daemon.stdout() {
            // It prints one line when it listens; an end without one is told below.
            let read = BufReader::new(stdout).read_line(&mut address);
            read.map_err(TestbedError::io("read the session bus' address"))?;
        }
        let address = address.trim().to_owned();
        if address.is_empty() {
            let ended = std::io::Error::other("dbus-daemon ended without an address");
            return Err(TestbedError::io("start a session bus")(ended));
        }
        Ok(Self {
            address,
            _daemon: daemon,
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

fn configuration(socket: &Path) -> String {
    format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
         <busconfig>\n\
         <type>session</type>\n\
         <listen>unix:path={}</listen>\n\
         <policy context=\"default\">\n\
         <allow send_destination=\"*\" eavesdrop=\"true\"/>\n\
         <allow eavesdrop=\"true\"/>\n\
         <allow own=\"*\"/>\n\
         </policy>\n\
         </busconfig>\n",
        socket.display()
    )
}
