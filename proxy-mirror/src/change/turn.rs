//! One change of a machine at a time, whoever makes it: an agent, commands, root's helper.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{ChangeError, Desks};

/// Another change is waited for so long; one that asks somebody for a password takes longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// There is no event for a lock that may be waited for only so long.
const LOOK: Duration = Duration::from_millis(20);

/// Nobody else changes anything while it lives. A process that is killed gives its turn back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    held: Vec<Lock>,
}

#[derive(Debug)]
struct Lock {
    file: File,
    path: PathBuf,
}

impl Desks {
    /// Waits for the changes of others to end: for those of this user, and as root for those of the
    /// machine.
    ///
    /// # Errors
    /// [`ChangeError::Busy`] where one does not end, and those of the file system.
    pub(crate) fn turn(&self) -> Result<Turn, ChangeError> {
        let mut journals = vec![&self.user_journal];
        if self.root && self.machine_journal != self.user_journal {
            journals.push(&self.machine_journal);
        }
        // Always in this order, so that two never wait for each other.
        let held = journals.into_iter().map(|journal| lock(journal));
        let held = held.collect::<Result<_, _>>()?;
        Ok(Turn { held })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        for lock in &self.held {
            // Taken away while it is held: who waits for it sees that it is gone and makes another.
            // What cannot be taken away is only a file too many; a folder of ours that is empty, too.
            let _ = std::fs::remove_file(&lock.path);
            if let Some(folder) = lock.path.parent() {
                let _ = std::fs::remove_dir(folder);
            }
            let _ = rustix::fs::flock(lock.file.as_fd(), FlockOperation::Unlock);
        }
    }
}

/// The lock lies beside the journal, for its owner alone: nobody else can hold it.
fn lock(journal: &Path) -> Result<Lock, ChangeError> {
    let path = journal.with_extension("lock");
    let failed = |error: std::io::Error| ChangeError::io("lock", &path)(error);
    super::journal::make_parent(journal)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if Instant::now() >= deadline {
            return Err(ChangeError::Busy { path });
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = match rustix::fs::open(&path, flags, mode) {
            Ok(file) => File::from(file),
            // Who had the turn took the empty folder away.
            Err(Errno::NOENT) => {
                super::journal::make_parent(journal)?;
                continue;
            }
            Err(error) => return Err(failed(error.into())),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_still(&file, &path).map_err(failed)? => {
                return Ok(Lock { file, path });
            }
            // It is another file now: the one before has ended.
            Ok(()) => continue,
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed(error.into())),
        }
        std::thread::sleep(LOOK);
    }
}

fn is_still(file: &File, path: &Path) -> std::io::Result<bool> {
    let held = file.metadata()?;
    match path.symlink_metadata() {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ChangeError;
    use super::lock;

    #[test]
    fn a_turn_ends_when_the_one_before_ends_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("state/journal");
        let turns = std::sync::atomic::AtomicUsize::new(0);
        let take = || {
            let held = super::Turn {
                held: vec![lock(&journal)?],
            };
            let others = turns.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(others, 0, "two have the turn");
            std::thread::sleep(std::time::Duration::from_millis(2));
            turns.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            drop(held);
            Ok::<_, ChangeError>(())
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| take().unwrap()));
            }
        });
        assert!(!folder.path().join("state").exists());
    }
}
