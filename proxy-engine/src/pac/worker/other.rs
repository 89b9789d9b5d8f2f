//! Where a process cannot be shut in, no script is run.

use super::{Ask, Outcome, Program, WorkerError};
use crate::pac::Script;
use crate::pac::names::Names;

/// Does nothing: no program is started as a worker here.
pub fn serve_if_asked() {}

/// There is none.
#[derive(Debug)]
pub(in crate::pac) struct Worker(std::convert::Infallible);

impl Worker {
    pub(in crate::pac) async fn start(
        _: &Program,
        _: &Script,
        _: &Names,
    ) -> Result<Self, WorkerError> {
        Err(WorkerError::Process(
            "PAC scripts are run on Linux only, in this version".into(),
        ))
    }

    pub(in crate::pac) async fn ask(&mut self, _: &Ask) -> Result<Outcome, WorkerError> {
        match self.0 {}
    }

    pub(in crate::pac) fn process(&self) -> Option<u32> {
        match self.0 {}
    }
}
