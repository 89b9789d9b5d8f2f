//! This machine's own files.
//!
//! The machine's files are opened one folder at a time with `openat2(2)` and
//! `RESOLVE_NO_SYMLINKS`; every folder must be root's and writable by root alone, so that nobody can
//! exchange what root is about to write. The user's files may lie behind links.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{Command, FileImage, Host, Machine, Output, Place, attributes};
use crate::change::{ChangeError, Owner};

mod folder;

use folder::{unread, unsafe_path};

/// This machine, or a root of another system below a folder (an image that is being built, a test).
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
    machine: Machine,
}

impl Default for Local {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Local {
    /// The system whose root folder is `root`: the machine's files are looked for below it, and
    /// commands run in it (`chroot`). The user's files are where they are.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            machine: Machine::Local,
        }
    }
}

fn file_name(path: &Path) -> Result<&std::ffi::OsStr, ChangeError> {
    path.file_name()
        .ok_or_else(|| unsafe_path(path, "it names no file"))
}

/// Beside the file, so that the rename stays in one file system. One name, so that what a crash
/// left behind is found and removed by the next change.
fn fresh_name(path: &Path) -> Result<std::ffi::OsString, ChangeError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(file_name(path)?);
    name.push(".gangway-new");
    Ok(name)
}

fn unlink(folder: impl AsFd, name: &std::ffi::OsStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The file that is there now; `None` where there is none.
fn current(folder: impl AsFd, name: &std::ffi::OsStr) -> std::io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Not atomic: cut off in the midst it is neither old nor new. What was there is in the journal, yet
/// undo asks whether the file was changed since, and may need a person to say so.
fn write_in_place(folder: impl AsFd, name: &std::ffi::OsStr, bytes: &[u8]) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?);
    // Cut only when the new bytes are in it: it is never empty.
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

impl Host for Local {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn resolve(&self, place: Place<'_>) -> Result<PathBuf, ChangeError> {
        if place.owner == Owner::System {
            return Ok(place.path.to_owned());
        }
        match place.path.canonicalize() {
            Ok(real) => return Ok(real),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(ChangeError::io("resolve", place.path)(error)),
        }
        if place.path.symlink_metadata().is_ok() {
            return Err(unsafe_path(
                place.path,
                "it is a link to a file that does not exist: make that file or remove the link",
            ));
        }
        // A file that is not there yet, in a folder that may be a link.
        let name = file_name(place.path)?;
        match place.path.parent().map(Path::canonicalize) {
            Some(Ok(parent)) => Ok(parent.join(name)),
            _ => Ok(place.path.to_owned()),
        }
    }

    fn read(&self, place: Place<'_>) -> Result<Option<FileImage>, ChangeError> {
        let Some(folder) = self.folder(place)? else {
            return Ok(None);
        };
        // NONBLOCK: a FIFO in the file's place must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = file_name(place.path)?;
        let mut file = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(unsafe_path(
                    place.path,
                    "it is a symbolic link; root writes only real files: replace it by one",
                ));
            }
            Err(error) => return Err(unread("read", place.path, error)),
        };
        let stat = rustix::fs::fstat(&file)
            .map_err(|e| ChangeError::io("look at", place.path)(e.into()))?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            return Err(unsafe_path(place.path, "it is not a regular file"));
        }
        let wanted = match place.owner {
            Owner::System => 0,
            Owner::User => rustix::process::geteuid().as_raw(),
        };
        if stat.st_uid != wanted {
            return Err(unsafe_path(
                place.path,
                &format!(
                    "it belongs to user id {}, not {wanted}: `chown` it, or run gangway as its owner",
                    stat.st_uid
                ),
            ));
        }
        let mut bytes = Vec::new();
        (&mut file)
            .take(place.limit + 1)
            .read_to_end(&mut bytes)
            .map_err(ChangeError::io("read", place.path))?;
        if bytes.len() as u64 > place.limit {
            return Err(ChangeError::Content {
                path: place.path.to_owned(),
                message: format!("it has more than {} bytes", place.limit),
            });
        }
        Ok(Some(FileImage {
            bytes,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
        }))
    }

    fn replace(
        &self,
        place: Place<'_>,
        image: &FileImage,
        over: Option<&FileImage>,
    ) -> Result<(), ChangeError> {
        let folder = self.existing_folder(place)?;
        let name = file_name(place.path)?;
        let fresh = fresh_name(place.path)?;
        let failed = |error: std::io::Error| ChangeError::io("replace", place.path)(error);
        let begun = || -> std::io::Result<()> {
            unlink(&folder, &fresh)?;
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(rustix::fs::openat(
                &folder,
                &fresh,
                flags,
                Mode::from_raw_mode(0o600),
            )?);
            file.write_all(&image.bytes)?;
            let now = rustix::fs::fstat(&file)?;
            if (now.st_uid, now.st_gid) != (image.uid, image.gid) {
                std::os::unix::fs::fchown(&file, Some(image.uid), Some(image.gid))?;
            }
            // After the owner: chown takes set-id bits away.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(image.mode))?;
            if let Some(current) = current(&folder, name)? {
                attributes::carry_over(&current, &file)?;
            }
            file.sync_all()
        };
        let taken = || -> std::io::Result<()> {
            match rustix::fs::renameat(&folder, &fresh, &folder, name) {
                // A file that is mounted there (into a container, say) cannot be exchanged.
                Err(Errno::BUSY) if place.owner == Owner::User => {
                    write_in_place(&folder, name, &image.bytes)?;
                    unlink(&folder, &fresh)?;
                }
                renamed => renamed?,
            }
            rustix::fs::fsync(&folder)?;
            Ok(())
        };
        let written = begun()
            .map_err(failed)
            // As late as can be: an editor may have saved since it was read.
            .and_then(|()| self.still(place, over))
            .and_then(|()| taken().map_err(failed));
        written.inspect_err(|_| {
            // The file itself is untouched; what was begun beside it goes, if it can.
            let _ = unlink(&folder, &fresh);
        })
    }

    fn remove(&self, place: Place<'_>, over: Option<&FileImage>) -> Result<(), ChangeError> {
        let Some(folder) = self.folder(place)? else {
            return Ok(());
        };
        self.still(place, over)?;
        let (name, fresh) = (file_name(place.path)?, fresh_name(place.path)?);
        unlink(&folder, &fresh)
            .and_then(|()| unlink(&folder, name))
            .and_then(|()| rustix::fs::fsync(&folder))
            .map_err(|error| ChangeError::io("remove", place.path)(error.into()))
    }

    fn discard_begun(&self, place: Place<'_>) -> Result<(), ChangeError> {
        let Some(folder) = self.folder(place)? else {
            return Ok(());
        };
        unlink(&folder, &fresh_name(place.path)?)
            .map_err(|error| ChangeError::io("remove what was begun of", place.path)(error.into()))
    }

    fn missing_folders(&self, place: Place<'_>) -> Result<Vec<PathBuf>, ChangeError> {
        let mut missing = Vec::new();
        for folder in place.path.ancestors().skip(1) {
            let inside = folder.join("x");
            if self.folder(place.at(&inside))?.is_some() {
                break;
            }
            missing.push(folder.to_owned());
        }
        missing.reverse();
        Ok(missing)
    }

    fn make_folder(&self, place: Place<'_>) -> Result<(), ChangeError> {
        let parent = self.existing_folder(place)?;
        let mode = match place.owner {
            Owner::System => 0o755,
            Owner::User => 0o700,
        };
        let name = file_name(place.path)?;
        let made_folder = || -> Result<(), Errno> {
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode)) {
                Ok(()) => {}
                Err(Errno::EXIST) => return Ok(()),
                Err(error) => return Err(error),
            }
            // Whatever the umask of who started us: systemd and dockerd must come in.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
            rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode))?;
            rustix::fs::fsync(&folder)
        };
        made_folder()
            .and_then(|()| rustix::fs::fsync(&parent))
            .map_err(|e| ChangeError::io("make", place.path)(e.into()))
    }

    fn remove_empty_folder(&self, place: Place<'_>) -> Result<bool, ChangeError> {
        let Some(parent) = self.folder(place)? else {
            return Ok(false);
        };
        match rustix::fs::unlinkat(&parent, file_name(place.path)?, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(ChangeError::io("remove", place.path)(error.into())),
        }
    }

    fn new_owner(&self, place: Place<'_>) -> Result<(u32, u32), ChangeError> {
        match place.owner {
            Owner::System => Ok((0, 0)),
            Owner::User => Ok((
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            )),
        }
    }

    fn has_systemd(&self) -> bool {
        // sd_booted(3)
        self.root.join("run/systemd/system").is_dir()
    }

    fn run(&self, command: Command<'_>) -> Result<Output, ChangeError> {
        let argv = command.argv();
        let mut process = if self.root == Path::new("/") {
            let mut process = std::process::Command::new(&*argv[0]);
            process.args(argv[1..].iter().map(|word| &**word));
            process
        } else {
            let mut process = std::process::Command::new("chroot");
            process
                .arg(&self.root)
                .args(argv.iter().map(|word| &**word));
            process
        };
        process.env("LC_ALL", "C");
        super::process::finish(process, &[])
            .map(super::process::Ended::into_output)
            .map_err(|error| ChangeError::Command {
                command: argv.join(" "),
                message: error.to_string(),
            })
    }
}
