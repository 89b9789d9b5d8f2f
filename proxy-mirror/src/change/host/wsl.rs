//! A WSL2 distro, reached through `wsl.exe -d NAME -u root --exec …`.
//!
//! Content goes over standard input, never on a command line. Scripts are POSIX shell without a
//! double quote (they would have to survive Windows' command line): `set -f; IFS=` keeps every
//! expansion one word. Whoever can call `wsl.exe` is root in the distro already, so the checks
//! against exchanged folders are those of good order, not of defence.

mod host;
mod script;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Machine;
use super::process::{Ended, finish};
use crate::change::ChangeError;

/// Names another program in the place of `wsl.exe`: a stand-in on machines without WSL.
pub const WSL_EXE: &str = "GANGWAY_WSL_EXE";

/// Distros of other products, which set their own proxies in them.
const OTHERS: [&str; 4] = [
    "docker-desktop",
    "docker-desktop-data",
    "rancher-desktop",
    "rancher-desktop-data",
];

/// The name of a distro: letters, digits, `.`, `_`, `-`, as `wsl.exe --import` accepts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Distro(String);

impl FromStr for Distro {
    type Err = ChangeError;

    fn from_str(name: &str) -> Result<Self, ChangeError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.bytes().all(plain) {
            return Err(ChangeError::Distro {
                name: name.escape_debug().to_string(),
                message: "a distro's name is made of letters, digits, `.`, `_` and `-`".into(),
            });
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the distro reaches Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkingMode {
    /// Behind its default gateway.
    Nat,
    /// On its own loopback.
    Mirrored,
}

/// The user that `wsl.exe -d NAME` logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultUser {
    /// User id.
    pub uid: u32,
    /// Home folder.
    pub home: PathBuf,
}

/// One distro.
#[derive(Debug, Clone)]
pub struct Wsl {
    distro: Distro,
    machine: Machine,
    program: PathBuf,
}

/// `wsl.exe`, or its stand-in; `None` on a machine that has neither. (Inside a distro `wsl.exe` can
/// be called, too: there Gangway serves that distro as its own machine.)
fn program() -> Option<PathBuf> {
    match std::env::var_os(WSL_EXE) {
        Some(path) if !path.is_empty() => Some(path.into()),
        _ => cfg!(windows).then(|| "wsl.exe".into()),
    }
}

/// The distros that run now, those of other products left out; none where there is no WSL.
///
/// # Errors
/// [`ChangeError::Command`] where `wsl.exe` is there and cannot be run.
pub fn running_distros() -> Result<Vec<Wsl>, ChangeError> {
    program().map_or_else(|| Ok(Vec::new()), |program| running_by(&program))
}

/// The distros that run now, as this `wsl.exe` tells.
///
/// # Errors
/// As [`running_distros`].
pub fn running_by(program: &Path) -> Result<Vec<Wsl>, ChangeError> {
    let mut command = std::process::Command::new(program);
    command.args(["--list", "--running", "--quiet"]);
    let ended = finish(command, &[]).map_err(|error| ChangeError::Command {
        command: "wsl.exe --list --running --quiet".into(),
        message: error.to_string(),
    })?;
    if ended.status != Some(0) {
        // That none runs is told by an exit status, too.
        return Ok(Vec::new());
    }
    Ok(text(&ended.stdout)
        .lines()
        .map(str::trim)
        .filter(|name| !OTHERS.contains(name))
        .filter_map(|name| name.parse().ok())
        .map(|distro| Wsl::by(program.to_owned(), distro))
        .collect())
}

/// `wsl.exe` writes UTF-16LE; what runs in the distro writes what it likes.
fn text(bytes: &[u8]) -> String {
    let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.get(1) == Some(&0);
    if !wide {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
        .trim_start_matches('\u{feff}')
        .to_owned()
}

impl Wsl {
    /// The distro of this name, whether it is there or not.
    pub fn new(distro: Distro) -> Self {
        Self::by(program().unwrap_or_else(|| "wsl.exe".into()), distro)
    }

    /// The same, reached through this `wsl.exe`.
    pub fn by(program: PathBuf, distro: Distro) -> Self {
        Self {
            machine: Machine::Wsl(distro.clone()),
            distro,
            program,
        }
    }

    /// Its name.
    pub fn distro(&self) -> &Distro {
        &self.distro
    }

    /// How it reaches Windows: what `wslinfo` says, NAT where there is none.
    ///
    /// # Errors
    /// [`ChangeError::Distro`] where the distro cannot be asked.
    pub fn networking_mode(&self) -> Result<NetworkingMode, ChangeError> {
        let ended = self.script(script::NETWORKING_MODE, &[], &[])?;
        let mirrored = text(&ended.stdout).trim() == "mirrored";
        Ok(if mirrored {
            NetworkingMode::Mirrored
        } else {
            NetworkingMode::Nat
        })
    }

    /// `/proc/net/route` as it reads inside.
    ///
    /// # Errors
    /// [`ChangeError::Distro`] where the distro cannot be asked.
    pub fn routes(&self) -> Result<String, ChangeError> {
        Ok(text(&self.script(script::ROUTES, &[], &[])?.stdout))
    }

    /// The user that a plain `wsl.exe -d NAME` logs in.
    ///
    /// # Errors
    /// [`ChangeError::Distro`] where the distro cannot be asked or answers something else.
    pub fn default_user(&self) -> Result<DefaultUser, ChangeError> {
        let mut command = std::process::Command::new(&self.program);
        command.args([
            "-d",
            &self.distro.0,
            "--exec",
            "/bin/sh",
            "-c",
            script::DEFAULT_USER,
        ]);
        let ended = self.finish(command, &[])?;
        let said = text(&ended.stdout);
        let mut lines = said.lines();
        let uid = lines.next().and_then(|line| line.trim().parse().ok());
        let home = lines.next().map(|line| PathBuf::from(line.trim()));
        match (uid, home) {
            (Some(uid), Some(home)) if home.has_root() => Ok(DefaultUser { uid, home }),
            _ => Err(self.error("its default user cannot be found out")),
        }
    }

    fn error(&self, message: impl Into<String>) -> ChangeError {
        ChangeError::Distro {
            name: self.distro.0.clone(),
            message: message.into(),
        }
    }

    fn finish(&self, command: std::process::Command, input: &[u8]) -> Result<Ended, ChangeError> {
        let ended = finish(command, input).map_err(|error| self.error(error.to_string()))?;
        // -1 on Windows: wsl.exe itself failed, and says why on standard output.
        match ended.status {
            Some(-1 | 255) | None => {
                let said = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
                Err(self.error(said.trim()))
            }
            Some(_) => Ok(ended),
        }
    }

    /// Runs a script as root of the distro.
    fn script(&self, script: &str, args: &[&str], input: &[u8]) -> Result<Ended, ChangeError> {
        let mut command = std::process::Command::new(&self.program);
        command.args([
            "-d",
            &self.distro.0,
            "-u",
            "root",
            "--exec",
            "/bin/sh",
            "-c",
            script,
        ]);
        command.arg("gangway").args(args);
        self.finish(command, input)
    }

    fn on_file(
        &self,
        doing: &'static str,
        script: &str,
        path: &Path,
        args: &[&str],
        input: &[u8],
    ) -> Result<Ended, ChangeError> {
        let name = self.name(path)?;
        let ended = self.script(script, &[&[name], args].concat(), input)?;
        match ended.status {
            Some(0 | script::ABSENT) => Ok(ended),
            Some(script::NOT_A_FILE) => Err(ChangeError::Unsafe {
                path: path.to_owned(),
                reason: format!("in WSL distro {}, it is not a regular file", self.distro),
            }),
            Some(script::LINK) => Err(ChangeError::Unsafe {
                path: path.to_owned(),
                reason: format!(
                    "in WSL distro {}, it or a folder above is a symbolic link: replace it by a real one",
                    self.distro
                ),
            }),
            _ => Err(ChangeError::io(doing, path)(std::io::Error::other(
                format!("WSL distro {}: {}", self.distro, text(&ended.stderr).trim()),
            ))),
        }
    }

    fn name<'a>(&self, path: &'a Path) -> Result<&'a str, ChangeError> {
        path.to_str()
            .filter(|name| !name.chars().any(char::is_control))
            .ok_or_else(|| {
                self.error(format!(
                    "the path {} holds what no command line carries",
                    path.display()
                ))
            })
    }
}
