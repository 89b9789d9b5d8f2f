//! Where changes are carried out: one machine and the journal that its images go to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::host::{Command, FileImage, Host, Output, Place};
use super::journal::{Before, Journal, Record};
use super::render::{inverse, render, take_back};
use super::undo::Restarts;
use super::validate::validate;
use super::{Change, ChangeError, FileId, Fingerprint, UnitId, builder};

/// So often is a file written that an editor saves in the same moment.
const ATTEMPTS: u32 = 3;

/// dockerd has read its file again within this time, or does not.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// One machine, and the journal of what it was.
#[derive(Clone)]
pub struct Desk {
    /// The machine.
    pub host: Arc<dyn Host>,
    /// The journal.
    pub journal: Journal,
}

/// What a change would make of a file.
pub(super) struct Draft {
    /// Where the file really lies.
    pub(super) path: PathBuf,
    /// What is there.
    pub(super) current: Option<FileImage>,
    /// What would be.
    pub(super) bytes: Vec<u8>,
}

impl Draft {
    pub(super) fn changes_something(&self) -> bool {
        self.current
            .as_ref()
            .is_none_or(|current| current.bytes != self.bytes)
    }

    /// By which the file is recognised until the change is carried out.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.current
            .as_ref()
            .map(|current| Fingerprint::of(&current.bytes))
    }
}

impl Desk {
    /// What `change` would make of `file`. Reads, and writes nothing.
    pub(super) fn draft(&self, change: &Change, file: &FileId) -> Result<Draft, ChangeError> {
        validate(change)?;
        let place = Place::of(file);
        let path = self.host.resolve(place)?;
        let current = self.host.read(place.at(&path))?;
        let carried = match change {
            Change::InstallFile { file } => Some(crate::engine_service::carried(file)?),
            _ => None,
        };
        let before = current.as_ref().map(|image| image.bytes.as_slice());
        if let FileId::BuildxInstance { path } = file {
            builder::of_ours(path, before)?;
        }
        let bytes = render(change, &path, before, carried.as_deref())?;
        Ok(Draft {
            path,
            current,
            bytes,
        })
    }

    /// Carries out one change. `restarts` are the units that the plan restarts for it.
    ///
    /// # Errors
    /// [`ChangeError`]; the file is then either as it was, or changed with its record in the journal.
    pub fn carry_out(&self, change: &Change, restarts: &[UnitId]) -> Result<(), ChangeError> {
        match change {
            Change::RestartUnit { unit } => {
                validate(change)?;
                self.remember(*unit)?;
                self.accepted(*unit)
                    .map_err(|error| self.without_ours(*unit, error, Restarts::None))?;
                self.restart(*unit)
                    .map_err(|error| self.without_ours(*unit, error, Restarts::All))
            }
            Change::KeepContainers { unit } => {
                validate(change)?;
                self.remember(*unit)?;
                self.accepted(*unit)
                    .and_then(|()| self.reads_live_restore(*unit))
                    .map_err(|error| self.without_ours(*unit, error, Restarts::None))
            }
            Change::RecreateBuilder { instance } => {
                validate(change)?;
                self.recreate_builder(instance)
                    .map(drop)
                    .map_err(|error| self.without_ours_of_builder(instance, error))
            }
            _ => match change.file() {
                Some(file) => self.write(change, file, restarts),
                None => Ok(()),
            },
        }
    }

    fn write(
        &self,
        change: &Change,
        file: &FileId,
        restarts: &[UnitId],
    ) -> Result<(), ChangeError> {
        let path = self.host.resolve(Place::of(file))?;
        let earlier = self.journal.find(self.host.machine(), &path)?;
        for attempt in 1.. {
            let draft = self.draft(change, file)?;
            if !draft.changes_something() {
                return Ok(());
            }
            if draft.path != path {
                return Err(ChangeError::Stale { path });
            }
            match self.write_over(change, file, restarts, earlier.as_ref(), &draft) {
                // An editor saved it in this very moment: ours goes into what it is now.
                Err(ChangeError::Stale { .. }) if attempt < ATTEMPTS => {}
                Err(error @ ChangeError::Stale { .. }) => {
                    // Nothing of ours has come into it.
                    match earlier {
                        Some(earlier) => self.journal.save(&earlier)?,
                        None => self.journal.forget_path(self.host.machine(), &path)?,
                    }
                    return Err(error);
                }
                written => return written,
            }
        }
        Ok(())
    }

    fn write_over(
        &self,
        change: &Change,
        file: &FileId,
        restarts: &[UnitId],
        earlier: Option<&Record>,
        draft: &Draft,
    ) -> Result<(), ChangeError> {
        let place = Place::of(file);
        let place = place.at(&draft.path);
        if let FileId::BuildxInstance { .. } = file {
            self.builder_is_free(file, &draft.bytes)?;
        }
        let record = self.record(change, file, draft, restarts, earlier)?;
        let on_its_way = match earlier {
            Some(earlier) => record.clone().or(earlier, draft.fingerprint()),
            None => record.clone(),
        };
        // From here on undo is exact, whatever happens.
        self.journal.save(&on_its_way)?;
        for folder in self.host.missing_folders(place)? {
            self.host.make_folder(place.at(&folder))?;
        }
        let (mode, (uid, gid)) = match &draft.current {
            Some(current) => (current.mode, (current.uid, current.gid)),
            None => (file.mode(), self.host.new_owner(place)?),
        };
        let bytes = draft.bytes.clone();
        let image = FileImage {
            bytes,
            mode,
            uid,
            gid,
        };
        self.host.replace(place, &image, draft.current.as_ref())?;
        if on_its_way != record {
            self.journal.save(&record)?;
        }
        Ok(())
    }

    /// What takes the change out again, once it is in the file.
    fn record(
        &self,
        change: &Change,
        file: &FileId,
        draft: &Draft,
        restarts: &[UnitId],
        earlier: Option<&Record>,
    ) -> Result<Record, ChangeError> {
        let place = Place::of(file);
        let before = before(earlier, draft)?;
        let mut record = Record {
            machine: self.host.machine().clone(),
            file: file.clone(),
            path: draft.path.clone(),
            since: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            inverse: inverse(
                change,
                &draft.path,
                before.as_ref().map(|image| image.bytes.as_slice()),
                &draft.bytes,
                earlier.map(|earlier| &earlier.inverse),
            )?,
            before: before.as_ref().map(Before::from),
            wrote: vec![Fingerprint::of(&draft.bytes)],
            folders: self.host.missing_folders(place.at(&draft.path))?,
            units: restarts.to_vec(),
        };
        if let Some(earlier) = earlier {
            record.since = earlier.since;
            record.folders = [earlier.folders.clone(), record.folders].concat();
            record.folders.dedup();
            record.units.extend(&earlier.units);
            record.units.sort_unstable();
            record.units.dedup();
        }
        Ok(record)
    }

    /// Asks dockerd, before it is stopped, whether it would start with its file: what somebody else
    /// wrote there since it started last counts, too.
    fn accepted(&self, unit: UnitId) -> Result<(), ChangeError> {
        let ours = |record: &Record| {
            record.machine == *self.host.machine() && record.file == FileId::DockerDaemonJson
        };
        if unit != UnitId::Docker || !self.journal.records()?.iter().any(ours) {
            return Ok(());
        }
        let output = self.host.run(Command::ValidateDocker)?;
        // Before 23.0 it knows no `--validate`, and its file is not ours to write.
        if output.not_found() || output.stderr.contains("unknown flag") {
            return Ok(());
        }
        output.checked(Command::ValidateDocker).map(drop)
    }

    /// dockerd reads its file again; it says itself whether containers outlive it then.
    fn reads_live_restore(&self, unit: UnitId) -> Result<(), ChangeError> {
        self.checked(Command::Reload(unit))?;
        let deadline = Instant::now() + READ_WITHIN;
        loop {
            let said = self.checked(Command::DockerInfo)?.stdout;
            let said: serde_json::Value = serde_json::from_str(said.trim()).unwrap_or_default();
            if said["LiveRestoreEnabled"] == true {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ChangeError::Command {
                    command: Command::Reload(unit).argv().join(" "),
                    message: "dockerd does not say that live-restore is in force".to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// A daemon that does not start with what was written starts with what was there before: no
    /// other target's files are touched for it.
    fn without_ours(&self, unit: UnitId, error: ChangeError, restarts: Restarts) -> ChangeError {
        let outcome = match self.give_back_of(unit, restarts) {
            Ok(_) => "everything is again what it was, and it runs".to_owned(),
            Err(second) => format!("and without what was written: {second}"),
        };
        error.and_then(&outcome)
    }

    /// What was written before, without a restart, holds from this one on: giving it back takes
    /// another.
    fn remember(&self, unit: UnitId) -> Result<(), ChangeError> {
        for mut record in self.journal.records()? {
            let here = record.machine == *self.host.machine() && record.file.unit() == Some(unit);
            if here && !record.units.contains(&unit) {
                record.units.push(unit);
                self.journal.save(&record)?;
            }
        }
        Ok(())
    }

    /// Reads changed units again and restarts one, once.
    fn restart(&self, unit: UnitId) -> Result<(), ChangeError> {
        self.checked(Command::daemon_reload(unit))?;
        self.restart_as_loaded(unit)
    }

    /// Restarts one unit, once, as systemd has it.
    pub(super) fn restart_as_loaded(&self, unit: UnitId) -> Result<(), ChangeError> {
        // Docker's unit allows three starts a minute; ours are not failures of it. A unit that has
        // none to forget is no error.
        let _ = self.host.run(Command::ResetFailed(unit));
        self.checked(Command::Restart(unit)).map(drop)
    }

    pub(super) fn checked(&self, command: Command<'_>) -> Result<Output, ChangeError> {
        self.host.run(command)?.checked(command)
    }
}

/// What was there before Gangway: where somebody else wrote since, what they wrote is part of it.
fn before(earlier: Option<&Record>, draft: &Draft) -> Result<Option<FileImage>, ChangeError> {
    let (Some(earlier), Some(current)) = (earlier, &draft.current) else {
        return Ok(draft.current.clone());
    };
    let before = earlier.image()?;
    if earlier.is_ours(&current.bytes) {
        return Ok(before);
    }
    let there = before.as_ref().map(|image| image.bytes.as_slice());
    let left = take_back(&earlier.inverse, &draft.path, there, &current.bytes)?;
    Ok(left
        .map(|bytes| FileImage {
            bytes,
            ..current.clone()
        })
        .or(before))
}
