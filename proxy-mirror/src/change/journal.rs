//! What was there before, byte for byte: durable before the first byte changes.
//!
//! One record a file, in a folder that only its owner can read: the images hold whatever the user's
//! files held. However often a change is applied, the record keeps the first image; what others
//! wrote in between becomes part of it.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::host::{FileImage, Machine};
use super::render::Inverse;
use super::{ChangeError, FileId, Fingerprint, UnitId};
use crate::target::TargetId;

/// How the name of a record begins while it is being written.
const BEGUN: &str = ".begun-";

/// What one file was before Gangway, and how it is recognised again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Where.
    pub machine: Machine,
    /// Which of our files.
    pub file: FileId,
    /// Where it really lies: behind the user's links.
    pub path: PathBuf,
    /// Seconds since 1970 of the first change.
    pub since: u64,
    /// What was there; `None` where nothing was.
    pub before: Option<Before>,
    /// What we wrote there, the newest first; while a change is on its way, also what the file held
    /// until then: a crash leaves either.
    pub wrote: Vec<Fingerprint>,
    /// How ours is taken out once somebody else changed the file.
    pub inverse: Inverse,
    /// Folders that were made for it, the outermost first.
    pub folders: Vec<PathBuf>,
    /// Units that were restarted for it, and are again when it is given back.
    pub units: Vec<UnitId>,
}

/// A file's image, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    bytes: String,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes may hold the user's secrets.
        f.debug_struct("Before")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl From<&FileImage> for Before {
    fn from(image: &FileImage) -> Self {
        Self {
            bytes: base64::engine::general_purpose::STANDARD.encode(&image.bytes),
            mode: image.mode,
            uid: image.uid,
            gid: image.gid,
        }
    }
}

impl Record {
    /// The file as it was; `None` where there was none.
    ///
    /// # Errors
    /// [`ChangeError::Journal`] where the record was tampered with.
    pub fn image(&self) -> Result<Option<FileImage>, ChangeError> {
        let Some(before) = &self.before else {
            return Ok(None);
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(&before.bytes)
            .map_err(|error| ChangeError::Journal {
                path: self.path.clone(),
                message: error.to_string(),
            })?;
        Ok(Some(FileImage {
            bytes,
            mode: before.mode,
            uid: before.uid,
            gid: before.gid,
        }))
    }

    /// The target that the file was changed for; `None` for the engine's service.
    pub fn target(&self) -> Option<TargetId> {
        let name = self.file.target()?;
        Some(TargetId(match &self.machine {
            Machine::Local => name.into_owned(),
            machine @ Machine::Wsl(_) => format!("{machine}/{name}"),
        }))
    }

    /// Whether these bytes are what we wrote.
    pub fn is_ours(&self, bytes: &[u8]) -> bool {
        self.wrote.contains(&Fingerprint::of(bytes))
    }

    /// This one while the change is on its way to the file, which holds `held` until then.
    pub(super) fn or(mut self, earlier: &Self, held: Option<Fingerprint>) -> Self {
        self.wrote.extend(held);
        self.inverse = self.inverse.or(&earlier.inverse);
        self
    }

    fn name(&self) -> String {
        name(&self.machine, &self.path)
    }
}

fn name(machine: &Machine, path: &Path) -> String {
    let machine = machine.to_string();
    let parts = [machine.as_bytes(), path.as_os_str().as_encoded_bytes()];
    format!("{}.json", Fingerprint::over(parts).short())
}

/// A folder of records.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The journal in `folder`, which is made when the first record is.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every record, in the order of the first changes.
    ///
    /// # Errors
    /// [`ChangeError::Journal`] for a record that cannot be understood, [`ChangeError::Unsafe`] for
    /// a folder that others can write.
    pub fn records(&self) -> Result<Vec<Record>, ChangeError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ChangeError::io("read", &self.folder)(error)),
        };
        self.owned_alone()?;
        let mut records = Vec::new();
        for entry in entries {
            let path = entry.map_err(ChangeError::io("read", &self.folder))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                records.push(Self::load(&path)?);
            }
        }
        records.sort_by(|a, b| (a.since, &a.path).cmp(&(b.since, &b.path)));
        Ok(records)
    }

    /// The record of one file; `None` where Gangway has not changed it.
    ///
    /// # Errors
    /// As [`Journal::records`].
    pub fn find(&self, machine: &Machine, path: &Path) -> Result<Option<Record>, ChangeError> {
        let file = self.folder.join(name(machine, path));
        match file.try_exists() {
            Ok(true) => {
                self.owned_alone()?;
                Self::load(&file).map(Some)
            }
            Ok(false) => Ok(None),
            Err(error) => Err(ChangeError::io("read", &file)(error)),
        }
    }

    /// Writes a record. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`ChangeError::Io`], [`ChangeError::Unsafe`].
    pub fn save(&self, record: &Record) -> Result<(), ChangeError> {
        self.make_folder()?;
        let path = self.folder.join(record.name());
        let text = serde_json::to_vec_pretty(record).map_err(|error| ChangeError::Journal {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let written = || -> std::io::Result<()> {
            // 0600 from the start: tempfile(3) semantics.
            let mut file = tempfile::Builder::new()
                .prefix(BEGUN)
                .tempfile_in(&self.folder)?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            std::fs::File::open(&self.folder)?.sync_all()
        };
        written().map_err(ChangeError::io("write", &path))
    }

    /// Forgets a record.
    ///
    /// # Errors
    /// [`ChangeError::Io`].
    pub fn forget(&self, record: &Record) -> Result<(), ChangeError> {
        self.forget_path(&record.machine, &record.path)
    }

    /// Forgets the record of one file.
    ///
    /// # Errors
    /// [`ChangeError::Io`].
    pub(super) fn forget_path(&self, machine: &Machine, path: &Path) -> Result<(), ChangeError> {
        let path = self.folder.join(name(machine, path));
        std::fs::remove_file(&path).map_err(ChangeError::io("remove", &path))
    }

    /// Takes away the records that a killed process had begun to write (what it was about to change
    /// is as it was, and an image may hold the user's secrets), and the folder where no record is
    /// left.
    ///
    /// # Errors
    /// [`ChangeError::Io`].
    pub fn tidy(&self) -> Result<(), ChangeError> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            // None was ever made, or it cannot be read: that is said where records are.
            return Ok(());
        };
        for entry in entries.flatten() {
            if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(BEGUN.as_bytes())
            {
                let path = entry.path();
                std::fs::remove_file(&path).map_err(ChangeError::io("remove", &path))?;
            }
        }
        // Not empty: records stay. Anything else is no loss either.
        let _ = std::fs::remove_dir(&self.folder);
        Ok(())
    }

    fn load(path: &Path) -> Result<Record, ChangeError> {
        let bytes = std::fs::read(path).map_err(ChangeError::io("read", path))?;
        serde_json::from_slice(&bytes).map_err(|error| ChangeError::Journal {
            path: path.to_owned(),
            message: error.to_string(),
        })
    }

    fn make_folder(&self) -> Result<(), ChangeError> {
        if !self.folder.is_dir() {
            make_parent(&self.folder)?;
            match std::fs::DirBuilder::new().mode(0o700).create(&self.folder) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(ChangeError::io("make", &self.folder)(error));
                }
                _ => {}
            }
            if let Some(Ok(parent)) = self.folder.parent().map(std::fs::File::open) {
                parent
                    .sync_all()
                    .map_err(ChangeError::io("make", &self.folder))?;
            }
        }
        self.owned_alone()
    }

    /// Records say what is written back, for root's journal as root: nobody else may write one.
    fn owned_alone(&self) -> Result<(), ChangeError> {
        let meta = self
            .folder
            .metadata()
            .map_err(ChangeError::io("look at", &self.folder))?;
        let mine = rustix::process::geteuid().as_raw();
        if meta.uid() != mine || meta.permissions().mode() & 0o077 != 0 {
            return Err(ChangeError::Unsafe {
                path: self.folder.clone(),
                reason: format!("others than user id {mine} may use it: it should have mode 0700"),
            });
        }
        Ok(())
    }
}

/// Makes the folder that the journal lies in.
pub(super) fn make_parent(journal: &Path) -> Result<(), ChangeError> {
    let Some(parent) = journal.parent().filter(|parent| !parent.is_dir()) else {
        return Ok(());
    };
    std::fs::create_dir_all(parent).map_err(ChangeError::io("make", parent))?;
    // Whatever the umask: that there is a journal is seen by all of the machine's users.
    let seen = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(parent, seen).map_err(ChangeError::io("make", parent))
}
