//! Removes what killed tests left behind.

use std::fs::{self, File};

use rustix::fs::FlockOperation;

use super::netns;
use crate::scratch::is_gone;
use crate::{Result, TestbedError};

/// Removes the namespaces of tests whose process is gone. Tests that start at the same moment
/// take turns, so that none removes what another is just looking at.
pub(super) fn remove_leftovers() -> Result<()> {
    let lock = File::create("/run/gangway-testbed.lock")
        .map_err(TestbedError::io("create /run/gangway-testbed.lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)
        .map_err(|e| TestbedError::io("lock /run/gangway-testbed.lock")(e.into()))?;
    for dir in ["/run/netns", "/etc/netns"] {
        // No such folder: no namespace was ever made here.
        let Ok(entries) = fs::read_dir(dir) else {
            continue;
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter(|name| maker(name).is_some_and(is_gone))
            .for_each(|name| netns::remove(&name));
    }
    Ok(())
}

/// The process that made the namespace: `gwPID-N-ROLE`.
fn maker(name: &str) -> Option<u32> {
    name.strip_prefix("gw")?.split_once('-')?.0.parse().ok()
}
