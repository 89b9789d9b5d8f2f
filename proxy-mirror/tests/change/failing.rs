//! A machine that loses its power at the n-th step: half of the times before it, half after.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use proxy_mirror::change::ChangeError;
use proxy_mirror::change::host::{Command, FileImage, Host, Local, Machine, Output, Place};

pub(crate) struct Failing {
    inner: Local,
    left: AtomicUsize,
}

impl Failing {
    pub(crate) fn new(inner: Local, step: usize) -> Self {
        Self {
            inner,
            left: AtomicUsize::new(step),
        }
    }

    /// Every operation is two steps: up to it, and past it.
    fn step<T>(&self, work: impl FnOnce() -> Result<T, ChangeError>) -> Result<T, ChangeError> {
        self.tick()?;
        let done = work()?;
        self.tick()?;
        Ok(done)
    }

    fn tick(&self) -> Result<(), ChangeError> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(ChangeError::Command {
                command: "power".into(),
                message: "lost".into(),
            });
        }
        self.left.store(left - 1, Ordering::SeqCst);
        Ok(())
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
    fn replace(&self, place: Place<'_>, image: &FileImage) -> Result<(), ChangeError> {
        self.step(|| self.inner.replace(place, image))
    }
    fn remove(&self, place: Place<'_>) -> Result<(), ChangeError> {
        self.step(|| self.inner.remove(place))
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
