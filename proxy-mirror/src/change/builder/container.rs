//! The container of a builder, and the one that comes in its place.
//!
//! It is stopped, then removed without force: one that somebody has started again in between stays.
//! Whatever happens on the way, its cache is a volume that nobody touches here, and buildx makes the
//! container by the file whenever it is not there.

use serde::Deserialize;

use super::{Instance, Read};
use crate::change::desk::Desk;
use crate::change::host::{BuilderContainer, Command, Place};
use crate::change::journal::Record;
use crate::change::undo::Restarts;
use crate::change::{ChangeError, FileId};

/// What Docker says of a builder's container ([`Command::InspectBuilder`]).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Container {
    running: bool,
    // Docker says `null` where there are none.
    execs: Option<Vec<String>>,
    environment: Option<Vec<String>>,
}

impl Container {
    /// What it was made with.
    fn environment(&self) -> &[String] {
        self.environment.as_deref().unwrap_or_default()
    }

    /// Everything that buildx asks of a builder goes through a process that it starts in its container,
    /// and a build ends with that process.
    fn is_free(&self, builder: &Instance) -> Result<(), ChangeError> {
        match self.execs.as_deref() {
            None | Some([]) => Ok(()),
            Some(_) => Err(ChangeError::InUse {
                builder: builder.name().to_owned(),
            }),
        }
    }
}

impl Desk {
    /// Refuses a builder that is at work, where what `bytes` say would need another container.
    pub(in crate::change) fn builder_is_free(
        &self,
        file: &FileId,
        bytes: &[u8],
    ) -> Result<(), ChangeError> {
        // One that cannot be understood, or is another kind by now, has no container of ours.
        let Ok(Ok(builder)) = Instance::read(file.path(), bytes) else {
            return Ok(());
        };
        match self.container(&builder)? {
            Some(container) if !builder.has_told(container.environment()) => {
                container.is_free(&builder)
            }
            _ => Ok(()),
        }
    }

    /// Puts a new container in the place of a builder's, where that one was made with other proxies
    /// than the file says now. Says whether it did.
    pub(in crate::change) fn recreate_builder(&self, file: &FileId) -> Result<bool, ChangeError> {
        let Some(builder) = self.builder(file)? else {
            return Ok(false);
        };
        let Some(container) = self.container(&builder)? else {
            return Ok(false);
        };
        if builder.has_told(container.environment()) {
            return Ok(false);
        }
        container.is_free(&builder)?;
        let name = builder.container();
        let old = BuilderContainer {
            endpoint: builder.endpoint(),
            name: &name,
        };
        if !container.running {
            // The next build starts it; buildx makes what it then does not find.
            self.checked(Command::RemoveBuilder(old))?;
            return Ok(true);
        }
        let swapped = self
            .checked(Command::StopBuilder(old))
            .and_then(|_| self.checked(Command::RemoveBuilder(old)))
            .and_then(|_| self.boot(&builder));
        swapped.map(|()| true)
    }

    /// A builder that cannot be made by what was written is made by what was there before.
    pub(in crate::change) fn without_ours_of_builder(
        &self,
        file: &FileId,
        error: ChangeError,
    ) -> ChangeError {
        let ours = |record: &Record| record.file == *file;
        let outcome =
            self.give_back_where(ours, Restarts::None)
                .and_then(|_| match self.builder(file)? {
                    // Nobody stopped one that is at work.
                    Some(builder) if !matches!(error, ChangeError::InUse { .. }) => {
                        self.boot(&builder)
                    }
                    _ => Ok(()),
                });
        error.and_then(&match outcome {
            Ok(()) => "the builder is again what it was".to_owned(),
            Err(second) => format!("and without what was written: {second}"),
        })
    }

    /// What the file says now; `None` where the builder is gone, or of another kind.
    fn builder(&self, file: &FileId) -> Result<Option<Instance>, ChangeError> {
        let place = Place::of(file);
        let path = self.host.resolve(place)?;
        let Some(image) = self.host.read(place.at(&path))? else {
            return Ok(None);
        };
        Instance::read(file.path(), &image.bytes).map(Read::ok)
    }

    /// Starts it, and asks its container whether it has been told what the file says.
    fn boot(&self, builder: &Instance) -> Result<(), ChangeError> {
        let boot = Command::BootBuilder(builder.name());
        self.checked(boot)?;
        match self.container(builder)? {
            Some(new) if builder.has_told(new.environment()) => Ok(()),
            _ => Err(ChangeError::Command {
                command: boot.argv().join(" "),
                message: "the new container was not told the proxies that the builder's file says"
                    .into(),
            }),
        }
    }

    fn container(&self, builder: &Instance) -> Result<Option<Container>, ChangeError> {
        let name = builder.container();
        let command = Command::InspectBuilder(BuilderContainer {
            endpoint: builder.endpoint(),
            name: &name,
        });
        let output = self.host.run(command)?;
        // Where there is no docker, there is no container.
        if output.not_found() || output.stderr.contains("No such container") {
            return Ok(None);
        }
        let said = output.checked(command)?.stdout;
        serde_json::from_str(said.trim())
            .map(Some)
            .map_err(|error| ChangeError::Command {
                command: command.argv().join(" "),
                message: format!("it said something else than it was asked: {error}"),
            })
    }
}
