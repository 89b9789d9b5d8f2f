//! Files of one test, and those that killed tests left behind.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::{Result, TestbedError};

/// Where squid keeps its shared memory.
const SHARED_MEMORY: &str = "/dev/shm";

/// A folder for `role`, gone when dropped: `gangway-ROLE-PID-…`. Folders of tests that are gone
/// are removed on the way.
pub(crate) fn folder(role: &str) -> Result<TempDir> {
    let prefix = format!("gangway-{role}-");
    remove_of_the_dead(&std::env::temp_dir(), &prefix);
    tempfile::Builder::new()
        .prefix(&format!("{prefix}{}-", std::process::id()))
        .tempdir()
        .map_err(TestbedError::io(format!("make a folder for {role}")))
}

/// The name under which one squid keeps its shared memory; what is kept there goes when dropped.
#[derive(Debug)]
pub struct SharedName(String);

impl SharedName {
    /// A new name: letters and digits only, and few of them (squid ends without a word at 32).
    #[expect(
        clippy::new_without_default,
        reason = "each is another: there is no default"
    )]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_of_the_dead(Path::new(SHARED_MEMORY), "gwsquid");
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("gwsquid{}n{n}", std::process::id()))
    }

    /// For squid's `-n`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Drop for SharedName {
    fn drop(&mut self) {
        let ours = format!("{}-", self.0);
        remove(Path::new(SHARED_MEMORY), |name| name.starts_with(&ours));
    }
}

/// Whether the process that made something is gone.
pub(crate) fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

/// Removes what is called `PREFIX` `PID` and anything else, where no such process lives.
fn remove_of_the_dead(dir: &Path, prefix: &str) {
    remove(dir, |name| {
        let rest = name.strip_prefix(prefix).unwrap_or_default();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest[..digits].parse().is_ok_and(is_gone)
    });
}

/// What cannot be removed stays for the next test: there is nobody to tell.
fn remove(dir: &Path, wanted: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&wanted) {
            let path = entry.path();
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}
