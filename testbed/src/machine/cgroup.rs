//! The cgroup in which a machine's systemd keeps its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::run;
use crate::{Result, wait_for};

/// Waits until nothing runs in the machine `name` any more, and removes its cgroup.
pub(super) fn emptied(name: &str) -> Result<()> {
    let Some(dir) = hierarchy().map(|top| top.join(name)) else {
        return Ok(());
    };
    wait_for(
        &format!("no process of {name} is left"),
        Duration::from_secs(20),
        || {
            let events = fs::read_to_string(dir.join("cgroup.events"));
            events.map_or(Some(()), |text| text.contains("populated 0").then_some(()))
        },
    )?;
    // The kernel may still count a process for a moment that it has just reaped.
    wait_for(
        &format!("the cgroup of {name} goes"),
        Duration::from_secs(5),
        || {
            remove(&dir);
            (!dir.exists()).then_some(())
        },
    )
}

/// Where the machine that runs the tests has its cgroup2 hierarchy.
fn hierarchy() -> Option<PathBuf> {
    let mut find = Command::new("findmnt");
    find.args([
        "--noheadings",
        "--first-only",
        "--output",
        "TARGET",
        "--types",
        "cgroup2",
    ]);
    run(find).ok().map(|target| PathBuf::from(target.trim()))
}

/// From the leaves up; a cgroup's files cannot be removed, nor need they be.
fn remove(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // Still in use: the caller looks again.
    let _ = fs::remove_dir(dir);
}
