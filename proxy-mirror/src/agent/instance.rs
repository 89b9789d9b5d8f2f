//! Exactly one agent a user.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// The right to be this user's agent. The kernel gives it up when the process ends, however it
/// ends; the file stays, since removing it would let two agents lock two files of one name. The
/// socket goes with it.
#[derive(Debug)]
pub struct Instance {
    socket: PathBuf,
    _lock: File,
}

/// Why this process cannot be the agent.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another one is.
    #[error("an agent runs already (process {pid}, {}): stop it first, or use it", socket.display())]
    Taken {
        /// Its process; 0 where it has not said yet.
        pid: u32,
        /// Where it answers.
        socket: PathBuf,
    },
    /// The lock could not be had.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl Instance {
    /// Becomes the agent that answers on `socket`. The lock lies beside it.
    ///
    /// # Errors
    /// See [`InstanceError`].
    pub fn acquire(socket: &Path) -> Result<Self, InstanceError> {
        let path = socket.with_extension("lock");
        let failed = |source| InstanceError::Io {
            path: path.clone(),
            source,
        };
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed)?;
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(failed)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(InstanceError::Taken {
                    pid: holder(&mut lock),
                    socket: socket.to_owned(),
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        write_pid(&mut lock).map_err(failed)?;
        Ok(Self {
            socket: socket.to_owned(),
            _lock: lock,
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        match fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, socket = %self.socket.display(), "the agent's socket stays");
            }
            _ => {}
        }
    }
}

fn holder(lock: &mut File) -> u32 {
    let mut text = String::new();
    match lock.take(16).read_to_string(&mut text) {
        Ok(_) => text.trim().parse().unwrap_or(0),
        Err(_) => 0,
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_told_where_the_first_runs() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("run/agent.sock");
        let first = Instance::acquire(&socket).unwrap();
        match Instance::acquire(&socket) {
            Err(InstanceError::Taken { pid, socket: named }) => {
                assert_eq!(pid, std::process::id());
                assert_eq!(named, socket);
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
        drop(first);
        Instance::acquire(&socket).unwrap();
    }
}
