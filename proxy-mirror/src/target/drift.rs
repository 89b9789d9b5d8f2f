//! Files that somebody else has changed since they were as they should be.
//!
//! The journal of what root wrote can be read by root alone. So each user's agent remembers what the
//! files of a target were when they said what they should; one that says something else, and is
//! another file, was changed by hand or by a program. It is shown, and never fought over: `apply`
//! takes it over, `undo TARGET` leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{TargetId, TargetState};
use crate::change::Fingerprint;
use crate::control::{Said, TargetView};
use crate::regular_file;

/// No file of a target is larger.
const LARGEST: u64 = 4 << 20;

/// What files were, by target and path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(BTreeMap<TargetId, BTreeMap<String, Fingerprint>>);

/// Says of targets whose files were changed that they were, and remembers those that are as they
/// should be, in the file at `path`. Blocks.
pub fn follow(path: &Path, views: &mut [TargetView]) {
    let before = Seen::load(path);
    let mut seen = before.clone();
    for view in views {
        seen.look(view);
    }
    if seen != before {
        seen.save(path);
    }
}

/// What was given back is nobody's change. Blocks.
pub fn forget(path: &Path, only: Option<&TargetId>) {
    let mut seen = Seen::load(path);
    match only {
        Some(target) => drop(seen.0.remove(target)),
        None => seen.0.clear(),
    }
    seen.save(path);
}

impl Seen {
    /// What cannot be read was never seen: then nothing is said.
    fn load(path: &Path) -> Self {
        read(path)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn save(&self, path: &Path) {
        if let Err(error) = self.write(path) {
            tracing::debug!(%error, "what targets' files were is not remembered");
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // Made for its owner alone.
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&serde_json::to_vec(self)?)?;
        new.persist(path)?;
        Ok(())
    }

    fn look(&mut self, view: &mut TargetView) {
        // Files of a distro are not this machine's.
        if view.id.0.starts_with("wsl:") {
            return;
        }
        match &view.state {
            TargetState::InForce { .. } | TargetState::NotInForce { .. } => {
                let now = { view.files.iter() }
                    .filter_map(|file| Some((file.clone(), fingerprint(file)?)));
                self.0.insert(view.id.clone(), now.collect());
            }
            TargetState::Differs { .. } => {
                if let Some(file) = self.changed(&view.id) {
                    view.state = TargetState::Differs {
                        reason: Said::new(
                            "said_drifted",
                            &[("file", &file), ("target", &view.id.0)],
                        ),
                    };
                }
            }
            TargetState::NotInstalled
            | TargetState::Untouched
            | TargetState::Failed { .. }
            | TargetState::Blocked { .. } => {}
        }
    }

    /// The first file of the target that is not what it was.
    fn changed(&self, target: &TargetId) -> Option<String> {
        let mut files = self.0.get(target)?.iter();
        let (file, _) = files.find(|(file, was)| fingerprint(file).as_ref() != Some(*was))?;
        Some(file.clone())
    }
}

fn fingerprint(file: &str) -> Option<Fingerprint> {
    Some(Fingerprint::of(&read(Path::new(file))?))
}

fn read(path: &Path) -> Option<Vec<u8>> {
    regular_file::read(path, LARGEST).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(file: &Path, state: TargetState) -> TargetView {
        TargetView {
            id: TargetId("docker-daemon".into()),
            title: String::new(),
            version: None,
            files: vec![file.display().to_string()],
            desired: None,
            notes: Vec::new(),
            state,
        }
    }

    fn reason(view: &TargetView) -> &str {
        match &view.state {
            TargetState::Differs { reason } => &reason.english,
            _ => "",
        }
    }

    #[test]
    fn what_was_changed_is_told_apart_from_what_was_never_applied() {
        let folder = tempfile::tempdir().unwrap();
        let (file, seen) = (
            folder.path().join("daemon.json"),
            folder.path().join("a/seen.json"),
        );
        let differs = || TargetState::Differs {
            reason: Said::verbatim("it differs"),
        };
        let look = |state| {
            let mut views = [view(&file, state)];
            follow(&seen, &mut views);
            let [view] = views;
            view
        };
        fs::write(&file, "theirs").unwrap();
        assert_eq!(
            reason(&look(differs())),
            "it differs",
            "it was never applied"
        );

        fs::write(&file, "ours").unwrap();
        let in_force = || TargetState::InForce {
            evidence: Said::default(),
        };
        look(in_force());
        // What should be there is another thing now.
        assert_eq!(reason(&look(differs())), "it differs");

        for change in [Some("edited"), None] {
            match change {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let said = look(differs());
            let path = file.display().to_string();
            assert!(reason(&said).contains(&path), "{}", reason(&said));
            assert!(reason(&said).contains("gangway undo docker-daemon"));
        }
        // What else it holds is nobody's business while it says what it should.
        fs::write(&file, "ours, and more").unwrap();
        look(in_force());
        assert_eq!(reason(&look(differs())), "it differs");

        fs::write(&file, "theirs").unwrap();
        forget(&seen, None);
        assert_eq!(reason(&look(differs())), "it differs", "it was given back");
    }
}
