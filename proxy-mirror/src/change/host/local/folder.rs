//! The way to the folder that holds a file.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Local, Place};
use crate::change::{ChangeError, Owner};

impl Local {
    /// Opens the folder that holds the file; `None` where it is not there.
    pub(super) fn folder(&self, place: Place<'_>) -> Result<Option<OwnedFd>, ChangeError> {
        match place.owner {
            Owner::System => self.system_folder(place.path.parent().unwrap_or(Path::new("/"))),
            Owner::User => {
                let parent = place.path.parent().unwrap_or(Path::new("/"));
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                match rustix::fs::open(parent, flags, Mode::empty()) {
                    Ok(folder) => Ok(Some(folder)),
                    Err(Errno::NOENT) => Ok(None),
                    Err(error) => Err(ChangeError::io("open", parent)(error.into())),
                }
            }
        }
    }

    fn system_folder(&self, path: &Path) -> Result<Option<OwnedFd>, ChangeError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(&self.root, flags, Mode::empty())
            .map_err(|error| ChangeError::io("open", &self.root)(error.into()))?;
        let mut walked = PathBuf::from("/");
        root_alone(&folder, &walked)?;
        for component in path.components() {
            let name = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name,
                Component::Prefix(_) | Component::CurDir | Component::ParentDir => {
                    return Err(unsafe_path(path, "the path is not absolute and plain"));
                }
            };
            walked.push(name);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let resolve =
                ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
            folder = match rustix::fs::openat2(&folder, name, flags, Mode::empty(), resolve) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    return Err(unsafe_path(
                        &walked,
                        "it is a symbolic link or no folder; root writes only through real folders: replace it by one",
                    ));
                }
                Err(error) => return Err(unread("open", &walked, error)),
            };
            root_alone(&folder, &walked)?;
        }
        Ok(Some(folder))
    }

    pub(super) fn existing_folder(&self, place: Place<'_>) -> Result<OwnedFd, ChangeError> {
        self.folder(place)?.ok_or_else(|| {
            ChangeError::io("open the folder of", place.path)(std::io::ErrorKind::NotFound.into())
        })
    }
}

pub(super) fn unsafe_path(path: &Path, reason: &str) -> ChangeError {
    ChangeError::Unsafe {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

pub(super) fn unread(doing: &'static str, path: &Path, error: Errno) -> ChangeError {
    match error {
        Errno::ACCESS => ChangeError::Forbidden {
            path: path.to_owned(),
        },
        error => ChangeError::io(doing, path)(error.into()),
    }
}

fn root_alone(folder: impl AsFd, path: &Path) -> Result<(), ChangeError> {
    let stat = rustix::fs::fstat(folder).map_err(|e| ChangeError::io("look at", path)(e.into()))?;
    if stat.st_uid != 0 {
        return Err(unsafe_path(
            path,
            "the folder is not root's: `chown root` it",
        ));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(unsafe_path(
            path,
            "others than root may write the folder: `chmod go-w` it",
        ));
    }
    Ok(())
}
