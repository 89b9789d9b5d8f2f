//! A distro's files, and the few commands that may be run in it.

use std::path::PathBuf;

use super::{Wsl, script, text};
use crate::change::host::process::Ended;
use crate::change::host::{Command, FileImage, Host, Machine, Output, Place};
use crate::change::{ChangeError, Owner};

impl Host for Wsl {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn resolve(&self, place: Place<'_>) -> Result<PathBuf, ChangeError> {
        if place.owner == Owner::System {
            return Ok(place.path.to_owned());
        }
        let ended = self.on_file("resolve", script::RESOLVE, place.path, &[], &[])?;
        let said = text(&ended.stdout);
        let real = said.trim_end_matches('\n');
        Ok(if real.starts_with('/') {
            real.into()
        } else {
            place.path.to_owned()
        })
    }

    fn read(&self, place: Place<'_>) -> Result<Option<FileImage>, ChangeError> {
        let links = match place.owner {
            Owner::System => "refuse",
            Owner::User => "follow",
        };
        let limit = (place.limit + 1).to_string();
        let ended = self.on_file("read", script::READ, place.path, &[links, &limit], &[])?;
        if ended.status == Some(script::ABSENT) {
            return Ok(None);
        }
        let strange = || self.error(format!("{} could not be read", place.path.display()));
        let end = ended
            .stdout
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(strange)?;
        let head = String::from_utf8_lossy(&ended.stdout[..end]).into_owned();
        let mut fields = head.trim().split(':');
        let mode = fields
            .next()
            .and_then(|f| u32::from_str_radix(f, 8).ok())
            .ok_or_else(strange)?;
        let uid = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(strange)?;
        let gid = fields
            .next()
            .and_then(|f| f.parse().ok())
            .ok_or_else(strange)?;
        let bytes = ended.stdout[end + 1..].to_vec();
        if bytes.len() as u64 > place.limit {
            return Err(ChangeError::Content {
                path: place.path.to_owned(),
                message: format!("it has more than {} bytes", place.limit),
            });
        }
        Ok(Some(FileImage {
            bytes,
            mode,
            uid,
            gid,
        }))
    }

    fn replace(
        &self,
        place: Place<'_>,
        image: &FileImage,
        over: Option<&FileImage>,
    ) -> Result<(), ChangeError> {
        self.still(place, over)?;
        let mode = format!("{:o}", image.mode);
        let owner = format!("{}:{}", image.uid, image.gid);
        let length = image.bytes.len().to_string();
        let args = [mode.as_str(), &owner, &length];
        self.on_file("replace", script::REPLACE, place.path, &args, &image.bytes)
            .map(drop)
    }

    fn remove(&self, place: Place<'_>, over: Option<&FileImage>) -> Result<(), ChangeError> {
        self.still(place, over)?;
        self.on_file("remove", script::REMOVE, place.path, &[], &[])
            .map(drop)
    }

    fn discard_begun(&self, place: Place<'_>) -> Result<(), ChangeError> {
        self.on_file("remove", script::DISCARD_BEGUN, place.path, &[], &[])
            .map(drop)
    }

    fn missing_folders(&self, place: Place<'_>) -> Result<Vec<PathBuf>, ChangeError> {
        let ended = self.on_file("look at", script::MISSING_FOLDERS, place.path, &[], &[])?;
        let mut folders: Vec<PathBuf> = text(&ended.stdout).lines().map(PathBuf::from).collect();
        folders.reverse();
        Ok(folders)
    }

    fn make_folder(&self, place: Place<'_>) -> Result<(), ChangeError> {
        let mode = match place.owner {
            Owner::System => "755",
            Owner::User => "700",
        };
        self.on_file("make", script::MAKE_FOLDER, place.path, &[mode], &[])
            .map(drop)
    }

    fn remove_empty_folder(&self, place: Place<'_>) -> Result<bool, ChangeError> {
        let ended = self.on_file("remove", script::REMOVE_EMPTY_FOLDER, place.path, &[], &[])?;
        Ok(ended.status == Some(0))
    }

    fn new_owner(&self, place: Place<'_>) -> Result<(u32, u32), ChangeError> {
        if place.owner == Owner::System {
            return Ok((0, 0));
        }
        let ended = self.on_file("look at", script::NEW_OWNER, place.path, &[], &[])?;
        let said = text(&ended.stdout);
        let ids = said.trim().split_once(':');
        ids.and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)))
            .ok_or_else(|| self.error(format!("no owner for {} was found", place.path.display())))
    }

    fn has_systemd(&self) -> bool {
        self.script(script::HAS_SYSTEMD, &[], &[])
            .is_ok_and(|ended| ended.status == Some(0))
    }

    fn run(&self, command: Command<'_>) -> Result<Output, ChangeError> {
        let argv = command.argv();
        let words: Vec<&str> = argv.iter().map(|word| &**word).collect();
        self.script(script::RUN, &words, &[])
            .map(Ended::into_output)
    }
}
