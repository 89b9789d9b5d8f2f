//! What a picture amounts to.

use super::{CredentialsState, Status, TargetView};
use crate::target::TargetState;

impl Status {
    /// Whether everything that should be in force is: no target differs, every listener that was
    /// asked for is open, no upstream fails, nobody has to do anything.
    pub fn is_in_force(&self) -> bool {
        let engine = &self.engine;
        self.notices.is_empty()
            && engine.listen_errors.is_empty()
            && engine.intercept_error.is_none()
            && engine
                .decided_by
                .iter()
                .all(|chain| chain.problem.is_none())
            && engine.upstreams.iter().all(|upstream| {
                upstream.problem.is_none() && upstream.credentials != CredentialsState::Missing
            })
            && self.targets.iter().all(TargetView::is_settled)
    }
}

impl TargetView {
    /// Whether there is nothing to do about it.
    pub fn is_settled(&self) -> bool {
        match self.state {
            TargetState::NotInstalled | TargetState::Untouched | TargetState::InForce { .. } => {
                true
            }
            TargetState::Differs { .. }
            | TargetState::NotInForce { .. }
            | TargetState::Failed { .. }
            | TargetState::Blocked { .. } => false,
        }
    }
}
