//! The display.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::Folders;
use crate::child::Child;
use crate::net::require;
use crate::{Result, TestbedError};

/// A running `Xvfb`.
#[derive(Debug)]
pub(super) struct Display {
    name: String,
    _server: Child,
}

impl Display {
    pub(super) fn start(folders: &Folders) -> Result<Self> {
        require("Xvfb", "xvfb")?;
        let mut command = Command::new("Xvfb");
        // It takes a free number itself and says which, once it listens: no race with others.
        command.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1280x800x24",
            "-nolisten",
            "tcp",
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        folders.enter(&mut command);
        let mut server = Child::spawn(command)?;
        let mut number = String::new();
        if let Some(stdout) = server.stdout() {
            let read = BufReader::new(stdout).read_line(&mut number);
            read.map_err(TestbedError::io("read the display's number"))?;
        }
        if number.trim().is_empty() {
            let ended = std::io::Error::other("Xvfb ended without a display number");
            return Err(TestbedError::io("start a display")(ended));
        }
        Ok(Self {
            name: format!(":{}", number.trim()),
            _server: server,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
