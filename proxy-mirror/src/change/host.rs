//! A machine whose files may be changed: this one, or a WSL distro.

mod attributes;
mod local;
mod process;
mod wsl;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ChangeError, FileId, Owner, UnitId};

pub use local::Local;
pub use wsl::{DefaultUser, Distro, NetworkingMode, WSL_EXE, Wsl, running_by, running_distros};

/// Which machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Machine {
    /// The one that this program runs on.
    Local,
    /// A WSL2 distro of it.
    Wsl(Distro),
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Wsl(distro) => write!(f, "wsl:{distro}"),
        }
    }
}

impl From<Machine> for String {
    fn from(machine: Machine) -> Self {
        machine.to_string()
    }
}

impl TryFrom<String> for Machine {
    type Error = ChangeError;

    fn try_from(text: String) -> Result<Self, ChangeError> {
        match text.strip_prefix("wsl:") {
            Some(name) => name.parse().map(Self::Wsl),
            None if text == "local" => Ok(Self::Local),
            None => Err(ChangeError::Value {
                what: "the name of a machine".into(),
                reason: "it is neither `local` nor `wsl:NAME`".into(),
            }),
        }
    }
}

/// A file as it lies there: everything that undo gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileImage {
    /// Content.
    pub bytes: Vec<u8>,
    /// Permission bits (`0o644`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A file's place, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Absolute.
    pub path: &'a Path,
    /// Decides what is checked on the way.
    pub owner: Owner,
    /// Bytes above which the file is refused.
    pub limit: u64,
}

impl<'a> Place<'a> {
    /// No settings file that a person writes comes near it.
    pub const SETTINGS_LIMIT: u64 = 1 << 20;
    /// A debug build of the engine has 200 MB.
    pub const BINARY_LIMIT: u64 = 512 << 20;

    /// The place of a settings file.
    pub fn new(path: &'a Path, owner: Owner) -> Self {
        Self {
            path,
            owner,
            limit: Self::SETTINGS_LIMIT,
        }
    }

    /// The place of one of our files.
    pub fn of(file: &'a FileId) -> Self {
        let limit = match file {
            FileId::EngineBinary => Self::BINARY_LIMIT,
            _ => Self::SETTINGS_LIMIT,
        };
        Self {
            path: file.path(),
            owner: file.owner(),
            limit,
        }
    }

    /// The same checks for another path: a folder above, or what a link led to.
    #[must_use]
    pub fn at<'b>(&self, path: &'b Path) -> Place<'b> {
        Place {
            path,
            owner: self.owner,
            limit: self.limit,
        }
    }
}

/// One of the few commands that may be run. Nothing else can be, by whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// `systemctl daemon-reload`
    DaemonReload,
    /// `systemctl --user daemon-reload`
    UserDaemonReload,
    /// `systemctl reset-failed UNIT`: forgets how often it was started lately.
    ResetFailed(UnitId),
    /// `systemctl restart UNIT`
    Restart(UnitId),
    /// `systemctl reload UNIT`
    Reload(UnitId),
    /// `systemctl enable --now UNIT`
    EnableNow(UnitId),
    /// `systemctl disable --now UNIT`
    DisableNow(UnitId),
    /// `systemctl show --property=Result,ExecMainStatus UNIT`
    Status(UnitId),
    /// `systemctl show --property=LoadState,ActiveState UNIT`: whether it is there, and runs.
    Condition(UnitId),
    /// `systemctl show` of a unit: whether it runs, since when, and its environment.
    Environment(UnitId),
    /// `systemctl cat UNIT`: its file and its drop-ins, in the order in which they hold.
    Cat(UnitId),
    /// `PROGRAM --version`, of the engine that is about to be installed: whether it runs here.
    Version(&'a str),
    /// `PROGRAM check FLAGS`, of the same: whether it understands these flags, all of them together.
    Understands {
        /// The program.
        program: &'a str,
        /// As they stand in the unit: split at white space.
        flags: &'a str,
    },
    /// `systemctl show-environment`: what the machine's manager gives to every service.
    ManagerEnvironment,
    /// `systemctl --user show-environment`: the same of the user's.
    UserManagerEnvironment,
    /// `dockerd --validate --config-file=/etc/docker/daemon.json`: whether it would start with it.
    ValidateDocker,
    /// `docker info --format '{{json .}}'`
    DockerInfo,
    /// `docker container inspect`: whether a builder's container runs, who is in it, its environment.
    InspectBuilder(BuilderContainer<'a>),
    /// `docker container stop NAME`
    StopBuilder(BuilderContainer<'a>),
    /// `docker container rm NAME`: not one that runs, and no volume that has a name.
    RemoveBuilder(BuilderContainer<'a>),
    /// `docker buildx inspect --bootstrap NAME`: makes and starts the container, if it is not there.
    BootBuilder(&'a str),
    /// `systemd-sysusers /etc/sysusers.d/gangway.conf`
    MakeUser,
    /// `useradd --system … gangway`: where there is no systemd-sysusers.
    AddUser,
    /// `getent passwd gangway`
    LookUpUser,
    /// `userdel gangway`
    RemoveUser,
    /// `groupdel gangway`: `userdel` leaves a group that others are in.
    RemoveGroup,
    /// `getent group gangway`
    LookUpGroup,
    /// `getent passwd UID`
    LookUpUid(u32),
    /// `gpasswd -a USER gangway`; unlike `usermod` it takes users of a directory, too.
    JoinGroup(&'a str),
    /// `gpasswd -d USER gangway`
    LeaveGroup(&'a str),
}

/// The container of a builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuilderContainer<'a> {
    /// Which Docker it is in: `default`, or the URL of a socket.
    pub endpoint: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// Of all that Docker knows of a container, what is asked here.
const CONTAINER: &str = r#"{"running":{{json .State.Running}},"execs":{{json .ExecIDs}},"environment":{{json .Config.Env}}}"#;

impl<'a> BuilderContainer<'a> {
    /// `docker container …`, asked of its own Docker, whichever the user's commands are for now.
    fn docker(self, words: &[&'a str]) -> Vec<&'a str> {
        let of = match self.endpoint {
            "default" => ["--context", "default"],
            socket => ["--host", socket],
        };
        [&["docker"], &of[..], &["container"], words, &[self.name]].concat()
    }
}

impl<'a> Command<'a> {
    /// Makes the unit's manager read changed units again.
    pub fn daemon_reload(unit: UnitId) -> Self {
        match unit.owner() {
            Owner::System => Self::DaemonReload,
            Owner::User => Self::UserDaemonReload,
        }
    }

    /// Program and arguments.
    pub fn argv(self) -> Vec<Cow<'a, str>> {
        let words = match self {
            Self::LookUpUid(uid) => {
                return vec!["getent".into(), "passwd".into(), uid.to_string().into()];
            }
            Self::DaemonReload => vec!["systemctl", "daemon-reload"],
            Self::UserDaemonReload => vec!["systemctl", "--user", "daemon-reload"],
            Self::ResetFailed(unit) => systemctl(unit, &["reset-failed"]),
            Self::Restart(unit) => systemctl(unit, &["restart"]),
            Self::Reload(unit) => systemctl(unit, &["reload"]),
            Self::EnableNow(unit) => systemctl(unit, &["enable", "--now"]),
            Self::DisableNow(unit) => systemctl(unit, &["disable", "--now"]),
            Self::Status(unit) => systemctl(unit, &["show", "--property=Result,ExecMainStatus"]),
            Self::Condition(unit) => systemctl(unit, &["show", "--property=LoadState,ActiveState"]),
            Self::Environment(unit) => systemctl(
                unit,
                &[
                    "show",
                    "--timestamp=unix",
                    "--property=LoadState,ActiveState,NeedDaemonReload,ExecMainStartTimestamp,Environment",
                ],
            ),
            Self::Cat(unit) => systemctl(unit, &["--no-pager", "cat"]),
            Self::Version(program) => vec![program, "--version"],
            Self::Understands { program, flags } => {
                let flags = flags.split_whitespace();
                [program, "check"].into_iter().chain(flags).collect()
            }
            Self::ManagerEnvironment => vec!["systemctl", "show-environment"],
            Self::UserManagerEnvironment => vec!["systemctl", "--user", "show-environment"],
            Self::ValidateDocker => vec![
                "dockerd",
                "--validate",
                "--config-file=/etc/docker/daemon.json",
            ],
            Self::DockerInfo => vec!["docker", "info", "--format", "{{json .}}"],
            Self::InspectBuilder(container) => {
                container.docker(&["inspect", "--format", CONTAINER])
            }
            Self::StopBuilder(container) => container.docker(&["stop"]),
            Self::RemoveBuilder(container) => container.docker(&["rm"]),
            Self::BootBuilder(name) => {
                let boot = ["buildx", "inspect", "--bootstrap", name];
                [&["docker", "--context", "default"], &boot[..]].concat()
            }
            Self::MakeUser => vec!["systemd-sysusers", "/etc/sysusers.d/gangway.conf"],
            Self::AddUser => vec![
                "useradd",
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir=/var/lib/gangway/engine",
                "--shell=/usr/sbin/nologin",
                "gangway",
            ],
            Self::LookUpUser => vec!["getent", "passwd", "gangway"],
            Self::RemoveUser => vec!["userdel", "gangway"],
            Self::RemoveGroup => vec!["groupdel", "gangway"],
            Self::LookUpGroup => vec!["getent", "group", "gangway"],
            Self::JoinGroup(user) => vec!["gpasswd", "-a", user, "gangway"],
            Self::LeaveGroup(user) => vec!["gpasswd", "-d", user, "gangway"],
        };
        words.into_iter().map(Cow::Borrowed).collect()
    }
}

/// A unit's own manager is told.
fn systemctl(unit: UnitId, words: &[&'static str]) -> Vec<&'static str> {
    let manager: &[&str] = match unit.owner() {
        Owner::System => &["systemctl"],
        Owner::User => &["systemctl", "--user"],
    };
    [manager, words, &[unit.name()]].concat()
}

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit status; `None` where the program was not found, or a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }

    /// Whether the program is not there (also what a shell says then).
    pub fn not_found(&self) -> bool {
        matches!(self.status, None | Some(127))
    }

    /// An error where it did not succeed.
    pub(crate) fn checked(self, command: Command<'_>) -> Result<Self, ChangeError> {
        if self.success() {
            return Ok(self);
        }
        let said = [&self.stderr, &self.stdout]
            .into_iter()
            .find(|text| !text.trim().is_empty());
        Err(ChangeError::Command {
            command: command.argv().join(" "),
            message: said.map_or_else(
                || {
                    self.status
                        .map_or("not found".into(), |status| format!("exit status {status}"))
                },
                |text| text.trim().to_owned(),
            ),
        })
    }
}

/// A machine whose files may be changed. Everything blocks: call it off the runtime's threads.
pub trait Host: Send + Sync {
    /// Which machine.
    fn machine(&self) -> &Machine;

    /// The user's files may lie behind links; this is where such a file really is. The machine's
    /// files are where they are.
    fn resolve(&self, place: Place<'_>) -> Result<PathBuf, ChangeError>;

    /// The file with mode and owner; `None` where there is none.
    fn read(&self, place: Place<'_>) -> Result<Option<FileImage>, ChangeError>;

    /// Replaces or creates the file, atomically and durably, with exactly this mode and owner; refused
    /// where it is no longer what was read as `over`, so that what somebody else has written meanwhile
    /// is not lost.
    fn replace(
        &self,
        place: Place<'_>,
        image: &FileImage,
        over: Option<&FileImage>,
    ) -> Result<(), ChangeError>;

    /// Removes the file, unless it is no longer what was read as `over`; one that is not there is no
    /// error.
    fn remove(&self, place: Place<'_>, over: Option<&FileImage>) -> Result<(), ChangeError>;

    /// Refuses where the file is no longer what was read there.
    fn still(&self, place: Place<'_>, read: Option<&FileImage>) -> Result<(), ChangeError> {
        if self.read(place)?.as_ref() == read {
            return Ok(());
        }
        Err(ChangeError::Stale {
            path: place.path.to_owned(),
        })
    }

    /// Takes away what a killed [`Host::replace`] had begun beside the file; nothing is no error.
    fn discard_begun(&self, place: Place<'_>) -> Result<(), ChangeError>;

    /// The folders above the file that are not there, the outermost first.
    fn missing_folders(&self, place: Place<'_>) -> Result<Vec<PathBuf>, ChangeError>;

    /// Makes one folder; one that is there already is no error.
    fn make_folder(&self, place: Place<'_>) -> Result<(), ChangeError>;

    /// Removes one folder if it is empty; says whether it did.
    fn remove_empty_folder(&self, place: Place<'_>) -> Result<bool, ChangeError>;

    /// Owner and group that a new file at this place gets.
    fn new_owner(&self, place: Place<'_>) -> Result<(u32, u32), ChangeError>;

    /// Whether systemd runs there as the system's manager.
    fn has_systemd(&self) -> bool;

    /// Runs one of the few commands.
    fn run(&self, command: Command<'_>) -> Result<Output, ChangeError>;
}
