//! The last policy, kept for the next start. It holds no secret.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::EngineError;
use crate::config::{DefaultRoute, Policy};

const FILE: &str = "policy.json";

/// The last policy; everything direct when there was none. One that cannot be understood refuses
/// everything: what the user chose is not known, and direct might not be it.
pub(super) fn load(folder: &Path) -> Result<Policy, EngineError> {
    let path = folder.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Policy::direct("nothing was set yet"));
        }
        Err(source) => return Err(EngineError::State { path, source }),
    };
    Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
        let reason = format!(
            "the last policy cannot be read ({}: {error}); start the agent with \"gangway run\"",
            path.display()
        );
        tracing::error!("{reason}");
        let mut policy = Policy::direct("unreadable policy");
        policy.default = DefaultRoute::Refused { reason };
        policy
    }))
}

/// Keeps the policy: either whole, or as it was before.
pub(super) fn save(folder: &Path, policy: &Policy) -> Result<(), EngineError> {
    let path = folder.join(FILE);
    write(folder, &path, policy).map_err(|source| EngineError::State { path, source })
}

/// Whether a policy could be kept there.
///
/// # Errors
/// Those of making a file.
pub(super) fn try_out(folder: &Path) -> io::Result<()> {
    let (fresh, _) = begin(folder)?;
    fs::remove_file(fresh)
}

fn begin(folder: &Path) -> io::Result<(PathBuf, File)> {
    let fresh = folder.join(format!("{FILE}.new"));
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&fresh)?;
    Ok((fresh, file))
}

fn write(folder: &Path, path: &Path, policy: &Policy) -> io::Result<()> {
    let (fresh, mut file) = begin(folder)?;
    file.write_all(&serde_json::to_vec_pretty(policy)?)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    // The rename itself must survive a power cut. (Windows has no folder to sync.)
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{load, save};
    use crate::config::{DefaultRoute, Policy};

    #[test]
    fn the_last_policy_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(
            load(folder.path()).expect("none").default,
            DefaultRoute::Direct
        );
        let mut policy = Policy::direct("test");
        policy.bypass = ".corp.test".parse().expect("bypass");
        save(folder.path(), &policy).expect("saved");
        assert_eq!(load(folder.path()).expect("loaded"), policy);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let meta = std::fs::metadata(folder.path().join("policy.json")).expect("file");
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_policy_that_cannot_be_understood_refuses_instead_of_going_direct() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("policy.json"), "{").expect("write");
        let policy = load(folder.path()).expect("loaded");
        assert!(matches!(policy.default, DefaultRoute::Refused { .. }));
    }
}
