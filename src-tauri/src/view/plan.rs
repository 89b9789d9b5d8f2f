//! The plan as a page shows it, and what came of it.

use proxy_mirror::control;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::{Problem, Said, TargetCard};

/// What `apply` would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct PlanPage {
    /// Names exactly this plan.
    pub id: String,
    /// In order; empty when everything is as it should be.
    pub steps: Vec<StepCard>,
    /// Why some targets stay as they are.
    pub refused: Vec<Problem>,
    /// Exceptions that would mean less or more in a target than they do here.
    pub notes: Vec<Problem>,
    /// All files of all steps as one unified diff.
    pub diff: String,
    /// Whether a step needs root and the agent is not.
    pub needs_root: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StepCard {
    /// Whose.
    pub target: String,
    /// What will be done.
    pub what: Said,
    /// What undo will do.
    pub undo: Said,
    /// What it restarts, and what that does; empty where nothing.
    pub restarts: Said,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct AppliedPage {
    /// In order.
    pub done: Vec<StepCard>,
    /// Why some targets stayed as they were.
    pub refused: Vec<Problem>,
    /// The targets afterwards, each asked.
    pub targets: Vec<TargetCard>,
}

/// What was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct UndonePage {
    /// Files that are again what they were.
    pub restored: Vec<String>,
    /// Files that were not there before and are gone.
    pub removed: Vec<String>,
    /// Files that somebody else changed since.
    pub merged: Vec<String>,
    /// Units that were restarted.
    pub restarted: Vec<String>,
    /// Units that do not run any more, so that nothing was left to restart.
    pub not_running: Vec<String>,
}

impl From<control::Plan> for PlanPage {
    fn from(plan: control::Plan) -> Self {
        Self {
            id: plan.id,
            steps: plan.steps.into_iter().map(Into::into).collect(),
            refused: problems(plan.refused),
            notes: plan.notes.into_iter().map(Into::into).collect(),
            diff: plan.diff,
            needs_root: plan.needs_root,
        }
    }
}

impl From<control::PlanStep> for StepCard {
    fn from(step: control::PlanStep) -> Self {
        Self {
            target: step.target.0,
            what: step.what.into(),
            undo: step.undo.into(),
            restarts: step.restarts.unwrap_or_default().into(),
        }
    }
}

impl From<control::Applied> for AppliedPage {
    fn from(applied: control::Applied) -> Self {
        Self {
            done: applied.done.into_iter().map(Into::into).collect(),
            refused: problems(applied.refused),
            targets: applied.targets.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<control::Undone> for UndonePage {
    fn from(undone: control::Undone) -> Self {
        Self {
            restored: undone.restored,
            removed: undone.removed,
            merged: undone.merged,
            restarted: undone.restarted,
            not_running: undone.not_running,
        }
    }
}

/// The file is named in each, and tells the target.
fn problems(refused: Vec<control::RefusedTarget>) -> Vec<Problem> {
    let problems = refused.into_iter();
    problems.map(|refused| refused.problem.into()).collect()
}
