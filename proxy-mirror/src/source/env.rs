//! The proxy variables of the agent's own environment.

use std::path::PathBuf;

use super::variables::Variables;
use super::{Reading, Source, SourceError, SourceId};

/// The variables as they were when the process started: nobody else can change them later.
#[derive(Debug, Clone)]
pub struct Environment(Variables);

impl Environment {
    /// The variables of this process.
    pub fn of_this_process() -> Self {
        Self::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The variables that `var` gives.
    pub fn of(var: impl Fn(&str) -> Option<String>) -> Self {
        Self(Variables::of(var))
    }
}

impl Source for Environment {
    fn id(&self) -> SourceId {
        SourceId::Environment
    }

    fn read(&self) -> Result<Reading, SourceError> {
        self.0.reading(SourceId::Environment, "")
    }

    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
