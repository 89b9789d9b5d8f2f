//! Where machines are kept: the file system they boot from, and what each has written.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::cgroup;
use crate::child::run;
use crate::net::require;
use crate::{Result, TestbedError};

/// One machine's disk; removed when dropped.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    path: PathBuf,
}

impl Disk {
    /// A fresh one named `gwPID-N-ROLE`. Builds the root first where there is none yet: a minute
    /// or two, once; tests that start meanwhile wait for it.
    pub(super) fn new(role: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let machines = state().join("machines");
        fs::create_dir_all(&machines)
            .map_err(TestbedError::io(format!("create {}", machines.display())))?;
        sweep(&machines);
        let root = root()?;
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = machines.join(format!("gw{}-{n}-{role}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { root, path }),
                // A dead test with the same process id left its own behind.
                Err(taken) if taken.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(TestbedError::io(format!("create {}", path.display()))(
                        source,
                    ));
                }
            }
        }
    }

    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// What it boots from.
    pub(super) fn root(&self) -> &OsStr {
        self.root.as_os_str()
    }

    /// What it writes.
    pub(super) fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// Puts a file on it before it is booted from.
    pub(super) fn prepare(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join("upper").join(path.trim_start_matches('/'));
        let parent = path.parent().unwrap_or(&self.path);
        // The folders of the overlay's upper side give the merged ones their mode.
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(parent)
            .and_then(|()| fs::write(&path, bytes))
            .map_err(TestbedError::io(format!("write {}", path.display())))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be removed now, the next test removes.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The file system that every machine boots from; built when it is not there yet.
pub(crate) fn root() -> Result<PathBuf> {
    require("debootstrap", "debootstrap")?;
    let mut build = Command::new(script("build-root"));
    build.arg(state());
    run(build).map(|printed| printed.trim().into())
}

/// A script of `testbed/workstation`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("workstation")
        .join(name)
}

/// Where machines and what they boot from are kept: `$GANGWAY_TESTBED_STATE`, by default
/// `/var/tmp/gangway-testbed`. Outside the checkout, so that `cargo clean` does not cost a minute and a checkout on a slow or
/// odd file system does not matter.
pub fn state() -> PathBuf {
    std::env::var_os("GANGWAY_TESTBED_STATE")
        .map_or_else(|| "/var/tmp/gangway-testbed".into(), PathBuf::from)
}

/// Removes the disks and cgroups of machines whose test is gone; the kernel has ended the
/// machines themselves. Two tests that sweep at once do no harm: both want the same.
fn sweep(machines: &Path) {
    let Ok(entries) = fs::read_dir(machines) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let maker = name
            .strip_prefix("gw")
            .and_then(|rest| rest.split_once('-'));
        let alive = maker.is_none_or(|(pid, _)| Path::new("/proc").join(pid).exists());
        if !alive && cgroup::emptied(&name).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
