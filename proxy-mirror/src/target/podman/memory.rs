//! What Podman said, kept as long as nothing has changed by which it could say something else: to
//! ask it takes as long as all else that is looked at together, every few seconds.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ask;

/// A change that nobody saw is seen after this time.
const HOLDS: Duration = Duration::from_mins(5);
/// Whoever could not answer may soon.
const FAILURE_HOLDS: Duration = Duration::from_secs(30);

/// What Podman says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    /// `4.3.1`
    pub(super) version: Option<String>,
    /// The proxies of its environment, once it has read its files; or why they are not known.
    pub(super) variables: Result<BTreeMap<String, String>, String>,
}

/// What Podman said when it was last asked. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Option<Kept>>>);

#[derive(Debug)]
struct Kept {
    at: Instant,
    of: Vec<Stamp>,
    says: Says,
}

/// A file's time of change, number and length; `None` where there is none.
type Stamp = Option<(i64, i64, u64, u64)>;

impl Memory {
    /// What it says. `watched` are the files by which that may change; `folder` is where what asks
    /// it is put.
    pub(super) async fn ask(&self, program: &Path, watched: &[PathBuf], folder: &Path) -> Says {
        let now: Vec<Stamp> = watched.iter().map(|file| stamp(file)).collect();
        if let Some(says) = self.kept(&now) {
            return says;
        }
        let (version, variables) =
            tokio::join!(ask::version(program), ask::variables(program, folder));
        let says = Says { version, variables };
        let kept = Kept {
            at: Instant::now(),
            // What changed meanwhile is asked again.
            of: now,
            says: says.clone(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        says
    }

    fn kept(&self, now: &[Stamp]) -> Option<Says> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref().filter(|kept| kept.of == now)?;
        let holds = if kept.says.variables.is_ok() {
            HOLDS
        } else {
            FAILURE_HOLDS
        };
        (kept.at.elapsed() < holds).then(|| kept.says.clone())
    }
}

fn stamp(file: &Path) -> Stamp {
    let meta = file.metadata().ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.len()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn it_is_asked_once_until_a_file_changes_by_which_it_could_say_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let (program, conf) = (folder.path().join("podman"), folder.path().join("c.conf"));
        let asked = folder.path().join("asked");
        // As the real one does: it looks up a login by the helper on its PATH.
        let script = format!(
            "#!/bin/sh\n[ $1 = --version ] && echo podman version 9.9 && exit\n\
             echo . >>{}\nhttps_proxy=http://a:1 docker-credential-gangway get | sed 's/.*Username\":\"//;s/\".*//'\n",
            asked.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let memory = Memory::default();
        let watched = [conf.clone()];
        let ask = async || {
            let says = memory.clone().ask(&program, &watched, folder.path()).await;
            assert_eq!(says.version.as_deref(), Some("9.9"));
            assert_eq!(says.variables.unwrap()["https_proxy"], "http://a:1");
            fs::read_to_string(&asked).unwrap().lines().count()
        };
        assert_eq!((ask().await, ask().await), (1, 1));
        fs::write(&conf, "").unwrap();
        assert_eq!((ask().await, ask().await), (2, 2));
        fs::write(&conf, "[engine]").unwrap();
        assert_eq!((ask().await, ask().await), (3, 3));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 3, "nothing stays of what asked it: {left:?}");
    }

    #[tokio::test]
    async fn one_that_says_something_else_or_nothing_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("podman");
        for (script, words) in [
            (
                "echo 'Error: toml: line 1' >&2; exit 1",
                "Error: toml: line 1",
            ),
            ("exit 1", "it says nothing"),
            ("printf 'a\\033[2Jb' >&2", "a\\u{1b}[2Jb"),
        ] {
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            let says = Memory::default().ask(&program, &[], folder.path()).await;
            assert_eq!(
                (says.version, says.variables),
                (None, Err(words.to_owned()))
            );
        }
    }
}
