//! A user's session of the test's own: folders, a session bus, a keychain, a display.
//!
//! Nothing of the user who runs the tests is seen from inside, and nothing of theirs is touched.

mod bus;
mod display;
mod folders;
mod keyring;
mod leftovers;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::child::Child;
use folders::Folders;

/// A session; it ends, and its folders go, when dropped.
#[derive(Debug)]
pub struct Session {
    // Fields drop in this order: programs first, then the folders that they write to.
    display: Option<display::Display>,
    keyring: Option<Child>,
    bus: Option<bus::Bus>,
    folders: Folders,
}

impl Session {
    /// A home and the XDG folders, with no bus: as a shell on a server has it.
    ///
    /// # Errors
    /// [`crate::TestbedError::Io`] when the folders cannot be made.
    pub fn headless() -> Result<Self> {
        Ok(Self {
            display: None,
            keyring: None,
            bus: None,
            folders: Folders::make()?,
        })
    }

    /// A home, a session bus, and an unlocked, empty keychain on it (a real `gnome-keyring`).
    ///
    /// # Errors
    /// [`crate::TestbedError::Missing`] or [`crate::TestbedError::Late`].
    pub fn with_keyring() -> Result<Self> {
        let mut this = Self::headless()?;
        this.bus = Some(bus::Bus::start(&this.folders)?);
        this.keyring = Some(keyring::unlock(&this)?);
        Ok(this)
    }

    /// All of it: the keychain, and a display of 1280 × 800 points (a real X server, `Xvfb`).
    ///
    /// # Errors
    /// [`crate::TestbedError::Missing`] or [`crate::TestbedError::Late`].
    pub fn with_display() -> Result<Self> {
        let mut this = Self::with_keyring()?;
        this.display = Some(display::Display::start(&this.folders)?);
        Ok(this)
    }

    /// The user's home folder.
    pub fn home(&self) -> &Path {
        self.folders.home()
    }

    /// `$XDG_CONFIG_HOME`.
    pub fn config_home(&self) -> &Path {
        self.folders.config()
    }

    /// `$XDG_STATE_HOME`.
    pub fn state_home(&self) -> &Path {
        self.folders.state()
    }

    /// `$XDG_RUNTIME_DIR`.
    pub fn runtime_dir(&self) -> &Path {
        self.folders.runtime()
    }

    /// The folder that holds all the others.
    pub fn root(&self) -> &Path {
        self.folders.root()
    }

    /// The session bus' address, where there is one.
    pub fn bus_address(&self) -> Option<&str> {
        self.bus.as_ref().map(bus::Bus::address)
    }

    /// The display (`:N`), where there is one.
    pub fn display(&self) -> Option<&str> {
        self.display.as_ref().map(display::Display::name)
    }

    /// A command with this session's environment and no proxy variable.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.enter(&mut command);
        command
    }

    /// Gives `command` this session's environment, and takes the tester's own desktop and proxies
    /// away from it.
    pub fn enter(&self, command: &mut Command) {
        for name in [
            "http_proxy",
            "https_proxy",
            "ftp_proxy",
            "all_proxy",
            "no_proxy",
        ] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        for name in [
            "WAYLAND_DISPLAY",
            "XDG_CURRENT_DESKTOP",
            "DESKTOP_SESSION",
            "SUDO_USER",
        ] {
            command.env_remove(name);
        }
        self.folders.enter(command);
        match self.bus_address() {
            Some(address) => command.env("DBUS_SESSION_BUS_ADDRESS", address),
            None => command.env_remove("DBUS_SESSION_BUS_ADDRESS"),
        };
        match self.display() {
            Some(name) => command.env("DISPLAY", name),
            None => command.env_remove("DISPLAY"),
        };
    }

    /// Starts a program in the session; it ends with the returned handle.
    ///
    /// # Errors
    /// [`crate::TestbedError::Spawn`].
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        self.enter(&mut command);
        Child::spawn(command)
    }
}

impl Drop for Session {
    /// Programs start others, which outlive them.
    fn drop(&mut self) {
        leftovers::end(self.runtime_dir());
    }
}
