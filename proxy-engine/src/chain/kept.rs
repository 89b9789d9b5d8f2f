//! Keys that are read again when their file changes.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::KeyError;

/// What a file of keys holds now: an engine that is given another key, or must not come in any
/// more, is one edit away. Where the file cannot be read or understood any more, nobody has a key.
#[derive(Debug)]
pub struct Kept<T> {
    path: PathBuf,
    read: fn(&Path) -> Result<T, KeyError>,
    known: Mutex<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    now: Result<Arc<T>, Arc<KeyError>>,
    last: Arc<T>,
    stamp: Stamp,
}

/// By what a changed file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stamp {
    /// A pipe, or something else that can be read once.
    Never,
    Missing(io::ErrorKind),
    File(About),
}

impl<T> Kept<T> {
    /// Reads the file with `read`, now and whenever it has changed.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: &Path, read: fn(&Path) -> Result<T, KeyError>) -> Result<Self, KeyError> {
        // Before it is read: a change meanwhile is seen the next time.
        let stamp = Stamp::of(path);
        let keys = Arc::new(read(path)?);
        Ok(Self {
            path: path.to_owned(),
            read,
            known: Mutex::new(Known {
                now: Ok(Arc::clone(&keys)),
                last: keys,
                stamp,
            }),
        })
    }

    /// What the file says now. It is looked at each time, and read only when it is another: a few
    /// kilobytes at most.
    ///
    /// # Errors
    /// Why nobody has a key.
    pub fn now(&self) -> Result<Arc<T>, Arc<KeyError>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.stamp != Stamp::Never {
            let stamp = Stamp::of(&self.path);
            if stamp != known.stamp {
                known.stamp = stamp;
                known.now = self.again();
                if let Ok(keys) = &known.now {
                    known.last = Arc::clone(keys);
                }
            }
        }
        known.now.clone()
    }

    /// What it said when it could last be understood.
    pub fn last(&self) -> Arc<T> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known.last)
    }

    fn again(&self) -> Result<Arc<T>, Arc<KeyError>> {
        match (self.read)(&self.path) {
            Ok(keys) => {
                tracing::info!(file = %self.path.display(), "keys read again");
                Ok(Arc::new(keys))
            }
            Err(error) => {
                tracing::warn!(%error, "no engine is passed on to or taken from until the keys can be read");
                Err(Arc::new(error))
            }
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(about) if about.is_file() => Self::File(stamp(&about)),
            Ok(_) => Self::Never,
            Err(error) => Self::Missing(error.kind()),
        }
    }
}

/// Device, number, length, and the times of the last change of content and of anything.
#[cfg(unix)]
type About = (u64, u64, u64, [i64; 4]);

#[cfg(unix)]
fn stamp(about: &Metadata) -> About {
    use std::os::unix::fs::MetadataExt as _;
    let times = [
        about.mtime(),
        about.mtime_nsec(),
        about.ctime(),
        about.ctime_nsec(),
    ];
    (about.dev(), about.ino(), about.len(), times)
}

/// Length, and the time of the last change of content.
#[cfg(not(unix))]
type About = (u64, Option<std::time::SystemTime>);

#[cfg(not(unix))]
fn stamp(about: &Metadata) -> About {
    (about.len(), about.modified().ok())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Kept;
    use crate::chain::{Key, KeyError};

    const ONE: &str = "wsl AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const TWO: &str = "node AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";

    #[test]
    fn a_key_is_the_one_that_stands_in_the_file_now_and_none_where_that_is_none() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        let write = |text: &str, mode: u32| {
            // In its place at once, as an editor does it.
            let fresh = folder.path().join("fresh");
            std::fs::write(&fresh, text).expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&fresh, mode).expect("mode");
            std::fs::rename(&fresh, &path).expect("renamed");
        };
        write(ONE, 0o600);
        let kept = Kept::read(&path, Key::read).expect("a key");
        let name = || kept.now().map(|key| key.name.to_string());
        assert_eq!(name().expect("a key"), "wsl");
        write(TWO, 0o600);
        assert_eq!(name().expect("a key"), "node");
        write(ONE, 0o644);
        let error = name().expect_err("everybody can read it");
        assert!(matches!(*error, KeyError::Open { .. }), "{error}");
        assert_eq!(kept.last().name.to_string(), "node");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        assert_eq!(name().expect("nobody else's any more"), "wsl");
        std::fs::remove_file(&path).expect("removed");
        let error = name().expect_err("gone");
        assert!(matches!(*error, KeyError::Read { .. }), "{error}");
        write(TWO, 0o600);
        assert_eq!(name().expect("there again"), "node");
    }

    #[test]
    fn what_can_be_read_once_is_read_once() {
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;
        let (read, write) = rustix::pipe::pipe().expect("a pipe");
        std::fs::File::from(write)
            .write_all(ONE.as_bytes())
            .expect("written");
        let path = format!("/proc/self/fd/{}", read.as_raw_fd());
        let kept = Kept::read(path.as_ref(), Key::read).expect("a key");
        drop(read);
        assert_eq!(kept.now().expect("still").name.to_string(), "wsl");
    }
}
