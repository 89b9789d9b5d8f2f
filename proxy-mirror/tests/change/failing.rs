//! A machine that has trouble: it loses its power at the n-th step (half of the times before it, half
//! after), or an editor saves a file at the worst of moments.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use proxy_mirror::change::ChangeError;
use proxy_mirror::change::host::{Command, FileImage, Host, Local, Machine, Output, Place};

type Trouble = dyn Fn(Moment) -> Result<(), ChangeError> + Send + Sync;

pub(crate) struct Failing {
    inner: Local,
    trouble: Box<Trouble>,
}

#[derive(Clone, Copy, PartialEq)]
enum Moment {
    BeforeWriting,
    Before,
    After,
}

impl Failing {
    pub(crate) fn new(inner: Local, step: usize) -> Self {
        let left = AtomicUsize::new(step);
        let trouble = move |_| {
            let counted = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
            counted.map(drop).map_err(|_| ChangeError::Command {
                command: "power".into(),
                message: "lost".into(),
            })
        };
        Self {
            inner,
            trouble: Box::new(trouble),
        }
    }

    /// The file, a JSON object, is saved with one more member so many times when it has been read and
    /// is about to be replaced or removed.
    pub(crate) fn saving(inner: Local, file: &Path, saves: usize) -> Self {
        let file = file.to_owned();
        let left = AtomicUsize::new(saves);
        let trouble = move |moment| {
            if moment == Moment::BeforeWriting && left.load(Ordering::SeqCst) > 0 {
                left.fetch_sub(1, Ordering::SeqCst);
                let text = std::fs::read_to_string(&file).unwrap();
                let number = text.matches("saved").count() + 1;
                let text = text.replacen('{', &format!("{{\n\"saved{number}\": true,"), 1);
                std::fs::write(&file, text).unwrap();
            }
            Ok(())
        };
        Self {
            inner,
            trouble: Box::new(trouble),
        }
    }

    /// Every operation is two steps: up to it, and past it.
    fn step<T>(&self, work: impl FnOnce() -> Result<T, ChangeError>) -> Result<T, ChangeError> {
        self.within(Moment::Before, work)
    }

    fn within<T>(
        &self,
        before: Moment,
        work: impl FnOnce() -> Result<T, ChangeError>,
    ) -> Result<T, ChangeError> {
        (self.trouble)(before)?;
        let done = work()?;
        (self.trouble)(Moment::After)?;
        Ok(done)
    }
}

impl Host for Failing {
    fn machine(&self) -> &Machine {
        self.inner.machine()
    }
    fn resolve(&self, place: Place<'_>) -> Result<PathBuf, ChangeError> {
        self.step(|| self.inner.resolve(place))
    }
    fn read(&self, place: Place<'_>) -> Result<Option<FileImage>, ChangeError> {
        self.step(|| self.inner.read(place))
    }
    fn replace(
        &self,
        place: Place<'_>,
        image: &FileImage,
        over: Option<&FileImage>,
    ) -> Result<(), ChangeError> {
        self.within(Moment::BeforeWriting, || {
            self.inner.replace(place, image, over)
        })
    }
    fn remove(&self, place: Place<'_>, over: Option<&FileImage>) -> Result<(), ChangeError> {
        self.within(Moment::BeforeWriting, || self.inner.remove(place, over))
    }
    fn discard_begun(&self, place: Place<'_>) -> Result<(), ChangeError> {
        self.step(|| self.inner.discard_begun(place))
    }
    fn missing_folders(&self, place: Place<'_>) -> Result<Vec<PathBuf>, ChangeError> {
        self.step(|| self.inner.missing_folders(place))
    }
    fn make_folder(&self, place: Place<'_>) -> Result<(), ChangeError> {
        self.step(|| self.inner.make_folder(place))
    }
    fn remove_empty_folder(&self, place: Place<'_>) -> Result<bool, ChangeError> {
        self.step(|| self.inner.remove_empty_folder(place))
    }
    fn new_owner(&self, place: Place<'_>) -> Result<(u32, u32), ChangeError> {
        self.step(|| self.inner.new_owner(place))
    }
    fn has_systemd(&self) -> bool {
        self.inner.has_systemd()
    }
    fn run(&self, command: Command<'_>) -> Result<Output, ChangeError> {
        self.step(|| self.inner.run(command))
    }
}
