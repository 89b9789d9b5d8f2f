//! Giving everything back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::host::{Command, Host, Machine, Place, Wsl};
use super::journal::{Journal, Record};
use super::render::{Inverse, take_back};
use super::{Asking, ChangeError, Desk, FileId, Owner, UnitId, builder, elevation};
use crate::control::Undone;
use crate::target::TargetId;

/// Every machine that changes are made on, and both journals.
#[derive(Clone)]
pub struct Desks {
    /// This machine.
    pub local: Arc<dyn Host>,
    /// The user's journal: their own files, and those of WSL distros.
    pub user_journal: PathBuf,
    /// Root's journal: this machine's system files.
    pub machine_journal: PathBuf,
    /// Whether this process may write system files itself.
    pub root: bool,
    /// Where root is asked for.
    pub asking: Asking,
}

impl Desks {
    /// The desks of this process: the real machine, its journals at these folders.
    pub fn new(user_journal: impl Into<PathBuf>, machine_journal: impl Into<PathBuf>) -> Self {
        Self {
            local: Arc::new(super::host::Local::default()),
            user_journal: user_journal.into(),
            machine_journal: machine_journal.into(),
            root: rustix::process::geteuid().is_root(),
            asking: Asking::Aside,
        }
    }

    /// The same desks, where root may be asked for there.
    #[must_use]
    pub fn asking(self, asking: Asking) -> Self {
        Self { asking, ..self }
    }

    /// The desk for files of `owner` on `machine`.
    pub fn desk(&self, machine: &Machine, owner: Owner) -> Desk {
        match (machine, owner) {
            (Machine::Local, Owner::System) => self.machine_desk(),
            (Machine::Local, Owner::User) => Desk {
                host: Arc::clone(&self.local),
                journal: Journal::at(&self.user_journal),
            },
            (Machine::Wsl(distro), _) => Desk {
                host: Arc::new(Wsl::new(distro.clone())),
                journal: Journal::at(&self.user_journal),
            },
        }
    }

    /// The desk of this machine's system files.
    pub fn machine_desk(&self) -> Desk {
        Desk {
            host: Arc::clone(&self.local),
            journal: Journal::at(&self.machine_journal),
        }
    }

    /// Whether files of `owner` on `machine` are out of this process's reach.
    pub(super) fn needs_helper(&self, machine: &Machine, owner: Owner) -> bool {
        !self.root && *machine == Machine::Local && owner == Owner::System
    }
}

/// Gives back what targets were told, or one of them: the user's files here, the machine's through the
/// privileged helper where this process is not root. Blocks.
///
/// # Errors
/// The first [`ChangeError`]; what could be given back has been, and what could not is still in the
/// journal.
pub fn undo(desks: &Desks, only: Option<&TargetId>) -> Result<Undone, ChangeError> {
    let _turn = desks.turn()?;
    let mut undone = Undone::default();
    let mut first_error = None;
    let mut note = |result: Result<Undone, ChangeError>| match result {
        Ok(more) => undone.absorb(more),
        Err(error) => first_error = first_error.take().or(Some(error)),
    };
    // Root's journal cannot be read by others; that it is there says that it holds something.
    if desks.root {
        note(desks.machine_desk().undo(only));
    } else if only.is_none_or(is_roots) {
        // Where even that cannot be seen, root knows.
        let holds = desks.machine_journal.try_exists().unwrap_or(true);
        if holds {
            note(elevation::undo(desks, only));
        }
    }
    match machines(&desks.user_journal) {
        Ok(machines) => {
            for machine in machines {
                note(desks.desk(&machine, Owner::User).undo(only));
            }
        }
        Err(error) => note(Err(error)),
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(undone),
    }
}

/// Whether root's journal may hold something of this target's.
fn is_roots(target: &TargetId) -> bool {
    let of_distro = target.0.contains('/');
    let of_the_users = ["docker-cli", "docker-rootless", "podman"].contains(&target.0.as_str())
        || target.0.starts_with(builder::TARGET);
    !of_distro && !of_the_users
}

fn machines(journal: &Path) -> Result<Vec<Machine>, ChangeError> {
    let mut machines: Vec<Machine> = Vec::new();
    for record in Journal::at(journal).records()? {
        if !machines.contains(&record.machine) {
            machines.push(record.machine);
        }
    }
    Ok(machines)
}

impl Undone {
    /// Both, as one.
    pub(crate) fn absorb(&mut self, more: Self) {
        self.restored.extend(more.restored);
        self.removed.extend(more.removed);
        self.merged.extend(more.merged);
        self.restarted.extend(more.restarted);
        self.not_running.extend(more.not_running);
    }
}

/// Which units restart when their files are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restarts {
    /// Those that run.
    WhatRuns,
    /// All: they ran until a moment ago.
    All,
    /// None: nothing was restarted yet, and what runs never read what is taken back.
    None,
}

enum GivenBack {
    Restored,
    Removed,
    Merged,
}

impl Desk {
    /// Gives back every file of this machine that the journal knows, or those of one target, then
    /// restarts what had been restarted for them and still runs, once each, and forgets.
    ///
    /// # Errors
    /// The first [`ChangeError`]; records of what could not be given back stay.
    pub fn undo(&self, only: Option<&TargetId>) -> Result<Undone, ChangeError> {
        let asked_for =
            |record: &Record| only.is_none_or(|only| record.target().as_ref() == Some(only));
        self.give_back_where(asked_for, Restarts::WhatRuns)
    }

    /// The same of the files that a unit reads.
    pub(super) fn give_back_of(
        &self,
        unit: UnitId,
        restarts: Restarts,
    ) -> Result<Undone, ChangeError> {
        self.give_back_where(|record| record.file.unit() == Some(unit), restarts)
    }

    pub(super) fn give_back_where(
        &self,
        which: impl Fn(&Record) -> bool,
        restarts: Restarts,
    ) -> Result<Undone, ChangeError> {
        let mut undone = Undone::default();
        let mut units: Vec<UnitId> = Vec::new();
        let mut given: Vec<Record> = Vec::new();
        let mut first_error = None;
        let ours = |record: &Record| record.machine == *self.host.machine() && which(record);
        for record in self.journal.records()?.into_iter().filter(ours) {
            let free = self.is_free(&record);
            let mut given_back = free.and_then(|()| self.give_back(&record));
            if matches!(given_back, Err(ChangeError::Stale { .. })) {
                // An editor saved it in this very moment: what it is now is looked at.
                given_back = self.give_back(&record);
            }
            match given_back {
                Ok(how) => {
                    let name = super::plan::on(&record.machine, record.path.display());
                    match how {
                        GivenBack::Restored => undone.restored.push(name),
                        GivenBack::Removed => undone.removed.push(name),
                        GivenBack::Merged => undone.merged.push(name),
                    }
                    units.extend(&record.units);
                    given.push(record);
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        units.sort_unstable();
        units.dedup();
        if restarts == Restarts::None {
            units.clear();
        }
        for unit in units {
            if restarts == Restarts::All {
                // systemd still has what was in the files a moment ago.
                self.checked(Command::daemon_reload(unit))?;
            }
            let name = unit.name().to_owned();
            if restarts == Restarts::WhatRuns && !self.runs(unit)? {
                undone.not_running.push(name);
            } else {
                self.restart_as_loaded(unit)?;
                undone.restarted.push(name);
            }
        }
        given.retain(|record| match self.recreate_given_back(record) {
            Ok(anew) => {
                let name = record.target().filter(|_| anew);
                undone.restarted.extend(name.map(|name| name.0));
                true
            }
            // The next undo tries again.
            Err(error) => {
                first_error = first_error.take().or(Some(error));
                false
            }
        });
        // Last: a crash before this line finds the files given back, and restarts once more.
        for record in &given {
            self.journal.forget(record)?;
        }
        self.journal.tidy()?;
        first_error.map_or(Ok(undone), Err)
    }

    /// Whether what would be given back has to wait: for a builder that is at work.
    fn is_free(&self, record: &Record) -> Result<(), ChangeError> {
        match (&record.file, record.image()?) {
            (FileId::BuildxInstance { .. }, Some(before)) => {
                self.builder_is_free(&record.file, &before.bytes)
            }
            _ => Ok(()),
        }
    }

    /// A builder is what its file says again.
    fn recreate_given_back(&self, record: &Record) -> Result<bool, ChangeError> {
        match &record.file {
            FileId::BuildxInstance { .. } => self.recreate_builder(&record.file),
            _ => Ok(false),
        }
    }

    /// Whether there is something left that read our files: one that was stopped reads those that
    /// were given back when it starts, and one that was uninstalled reads none.
    fn runs(&self, unit: UnitId) -> Result<bool, ChangeError> {
        // systemd remembers a unit whose file is gone until it is told to look.
        self.checked(Command::daemon_reload(unit))?;
        let said = self.checked(Command::Condition(unit))?.stdout;
        let gone = ["LoadState=not-found", "ActiveState=inactive"];
        Ok(!said.lines().any(|line| gone.contains(&line)))
    }

    fn give_back(&self, record: &Record) -> Result<GivenBack, ChangeError> {
        self.is_plausible(record)?;
        let place = Place::of(&record.file);
        let place = place.at(&record.path);
        let current = self.host.read(place)?;
        let before = record.image()?;
        let over = current.as_ref();
        let ours = match &current {
            Some(current) => {
                record.is_ours(&current.bytes)
                    || before
                        .as_ref()
                        .is_some_and(|before| before.bytes == current.bytes)
                    || record.inverse == Inverse::Whole
            }
            // Nothing is there: nothing was yet (a crash), or somebody took it away.
            None => before.is_none(),
        };
        let how = match (ours, before, over) {
            (true, Some(before), over) => {
                if over == Some(&before) {
                    self.host.discard_begun(place)?;
                } else {
                    self.host.replace(place, &before, over)?;
                }
                GivenBack::Restored
            }
            (true, None, over) => {
                self.host.remove(place, over)?;
                GivenBack::Removed
            }
            // They took the file away: that stays so.
            (false, _, None) => GivenBack::Merged,
            (false, before, Some(current)) => {
                let there = before.as_ref().map(|image| image.bytes.as_slice());
                match take_back(&record.inverse, &record.path, there, &current.bytes)? {
                    Some(bytes) => {
                        let mut left = current.clone();
                        left.bytes = bytes;
                        self.host.replace(place, &left, over)?;
                    }
                    None => match before {
                        Some(before) => self.host.replace(place, &before, over)?,
                        None => self.host.remove(place, over)?,
                    },
                }
                GivenBack::Merged
            }
        };
        for folder in record.folders.iter().rev() {
            self.host.remove_empty_folder(place.at(folder))?;
        }
        Ok(how)
    }

    /// A record is believed only about files that could have been changed.
    fn is_plausible(&self, record: &Record) -> Result<(), ChangeError> {
        let fixed = match &record.file {
            FileId::DockerCliConfig { .. }
            | FileId::BuildxInstance { .. }
            | FileId::PodmanConf { .. }
            | FileId::RootlessDaemonJson { .. }
            | FileId::RootlessDropIn { .. } => true,
            file => file.path() == record.path,
        };
        let above = record
            .folders
            .iter()
            .all(|folder| record.path.starts_with(folder));
        if fixed && above && record.path.is_absolute() {
            return Ok(());
        }
        Err(ChangeError::Journal {
            path: self.journal.folder().to_owned(),
            message: format!(
                "it names {}, which Gangway never changes",
                record.path.display()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{TargetId, is_roots};

    #[test]
    fn root_is_asked_for_what_only_root_can_give_back() {
        for (target, roots) in [
            ("docker-daemon", true),
            ("containerd", true),
            ("docker-cli", false),
            ("podman", false),
            ("wsl:Ubuntu/docker-daemon", false),
        ] {
            assert_eq!(is_roots(&TargetId(target.into())), roots, "{target}");
        }
    }
}
