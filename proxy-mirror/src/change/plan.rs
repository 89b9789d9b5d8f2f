//! The ordered list of changes, shown as a diff before it runs.

use std::path::PathBuf;

use super::desk::Draft;
use super::diff::diff;
use super::host::Machine;
use super::{Change, ChangeError, Desks, FileId, Fingerprint, Owner, UnitId, elevation, helper};
use crate::control::{Plan, PlanStep, RefusedTarget, Said};
use crate::target::TargetId;

/// What one target wants done.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Whose.
    pub target: TargetId,
    /// Where.
    pub machine: Machine,
    /// In order.
    pub changes: Vec<Change>,
    /// What a restart among them does to what runs; `None` where that is not known.
    pub effect: Option<Effect>,
}

/// What a restart of a unit does to the containers that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// None runs.
    Nothing,
    /// They stop.
    Stops {
        /// How many run.
        containers: u64,
    },
    /// They keep running, as with any restart of it.
    Harmless,
    /// They keep running.
    Keeps {
        /// How many run.
        containers: u64,
    },
}

/// A plan, and what it takes to carry it out.
#[derive(Debug)]
pub struct PlannedChanges {
    /// As people see it.
    pub view: Plan,
    /// Targets that nothing is planned for, each with the reason; `view` has the same in words.
    pub refused: Vec<(TargetId, ChangeError)>,
    steps: Vec<Planned>,
}

#[derive(Debug, Clone)]
struct Planned {
    view: PlanStep,
    machine: Machine,
    change: Change,
    restarts: Vec<UnitId>,
    /// The file and its fingerprint at the time of the plan; `None` for a restart.
    seen: Option<(PathBuf, Option<Fingerprint>)>,
}

/// One step of [`execute`], told before it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What is being done.
    pub what: String,
}

/// Makes the plan: what is already so falls out, a unit is restarted at most once on each machine,
/// after everything else there. A target with a file that cannot be understood, or a value that must
/// not be written, is refused whole; the others are planned. Reads files and writes none; blocks.
pub fn build(desks: &Desks, proposals: Vec<Proposal>) -> PlannedChanges {
    let mut steps: Vec<Planned> = Vec::new();
    let mut restarts: Vec<Planned> = Vec::new();
    // One after the other, and after all else: a build that begins meanwhile holds up its builder alone.
    let mut builders: Vec<Planned> = Vec::new();
    let mut diffs = String::new();
    let mut refused = Vec::new();
    for proposal in proposals {
        match edits(desks, &proposal) {
            Ok((planned, diff)) => {
                for planned in planned {
                    match planned.change.file() {
                        Some(FileId::BuildxInstance { .. }) => builders.push(planned),
                        _ => steps.push(planned),
                    }
                }
                diffs.push_str(&diff);
            }
            Err(error) => {
                refused.push((proposal.target, error));
                continue;
            }
        }
        for change in proposal.changes.iter().filter(|c| c.file().is_none()) {
            let again = |planned: &Planned| {
                planned.machine == proposal.machine && planned.change == *change
            };
            if let Change::RecreateBuilder { .. } = change {
                builders.push(without_file(&proposal, change));
            } else if !restarts.iter().any(again) {
                restarts.push(without_file(&proposal, change));
            }
        }
    }
    steps.extend(restarts);
    steps.extend(builders);
    let needs_root =
        { steps.iter() }.any(|step| desks.needs_helper(&step.machine, step.change.owner()));
    let view = Plan {
        id: id(&steps),
        steps: steps.iter().map(|step| step.view.clone()).collect(),
        refused: refused
            .iter()
            .map(|(target, error): &(TargetId, ChangeError)| RefusedTarget {
                target: target.clone(),
                problem: error.problem(),
            })
            .collect(),
        notes: Vec::new(),
        diff: diffs,
        needs_root,
    };
    PlannedChanges {
        view,
        refused,
        steps,
    }
}

/// The edits of one target that change something, and their diff.
fn edits(desks: &Desks, proposal: &Proposal) -> Result<(Vec<Planned>, String), ChangeError> {
    let units: Vec<UnitId> = proposal.changes.iter().filter_map(unit).collect();
    let mut steps = Vec::new();
    let mut diffs = String::new();
    for change in &proposal.changes {
        let Some(file) = change.file() else {
            continue;
        };
        let draft = desks
            .desk(&proposal.machine, file.owner())
            .draft(change, file)?;
        if !draft.changes_something() {
            continue;
        }
        let before = draft.current.as_ref().map(|image| image.bytes.as_slice());
        diffs.push_str(&diff(
            &proposal.machine,
            file,
            &draft.path,
            before,
            &draft.bytes,
        ));
        steps.push(Planned {
            view: describe(proposal, change, file, &draft),
            machine: proposal.machine.clone(),
            change: change.clone(),
            restarts: units.clone(),
            seen: Some((draft.path.clone(), draft.fingerprint())),
        });
    }
    Ok((steps, diffs))
}

/// Carries out a plan. Nothing is begun when a file has changed since the plan was made. Blocks.
///
/// # Errors
/// [`ChangeError::Stale`] or [`ChangeError::Busy`] before the first step; any other in the midst, with everything that was
/// done in the journal.
pub fn execute(
    desks: &Desks,
    planned: &PlannedChanges,
    progress: &mut dyn FnMut(Step),
) -> Result<Vec<PlanStep>, ChangeError> {
    if planned.steps.is_empty() {
        return Ok(Vec::new());
    }
    let _turn = desks.turn()?;
    for step in &planned.steps {
        fresh(desks, step)?;
    }
    let (by_helper, own): (Vec<_>, Vec<_>) = { planned.steps.iter() }
        .partition(|step| desks.needs_helper(&step.machine, step.change.owner()));
    let of = planned.steps.len();
    let mut done = Vec::new();
    if !by_helper.is_empty() {
        for step in &by_helper {
            done.push(step.view.clone());
            progress(Step {
                number: done.len(),
                of,
                what: step.view.what.english.clone(),
            });
        }
        let errands = by_helper.iter().map(|step| helper::Errand {
            change: step.change.clone(),
            restarts: step.restarts.clone(),
            seen: step.seen.as_ref().and_then(|(_, seen)| seen.clone()),
        });
        elevation::carry_out(desks, errands)?;
    }
    for step in own {
        progress(Step {
            number: done.len() + 1,
            of,
            what: step.view.what.english.clone(),
        });
        desks
            .desk(&step.machine, step.change.owner())
            .carry_out(&step.change, &step.restarts)?;
        done.push(step.view.clone());
    }
    Ok(done)
}

fn fresh(desks: &Desks, step: &Planned) -> Result<(), ChangeError> {
    let (Some(file), Some((path, seen))) = (step.change.file(), &step.seen) else {
        return Ok(());
    };
    let now = desks
        .desk(&step.machine, file.owner())
        .draft(&step.change, file)?;
    if now.path == *path && now.fingerprint() == *seen {
        return Ok(());
    }
    Err(ChangeError::Stale { path: path.clone() })
}

fn unit(change: &Change) -> Option<UnitId> {
    match change {
        Change::RestartUnit { unit } => Some(*unit),
        _ => None,
    }
}

/// A step that edits nothing.
fn without_file(proposal: &Proposal, change: &Change) -> Planned {
    let view = if let Change::RecreateBuilder { instance } = change {
        recreation(proposal, instance)
    } else {
        restart(proposal, change)
    };
    Planned {
        view,
        machine: proposal.machine.clone(),
        change: change.clone(),
        restarts: Vec::new(),
        seen: None,
    }
}

/// What becomes of a builder's container.
fn recreation(proposal: &Proposal, instance: &FileId) -> PlanStep {
    let name = instance.path().file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    let said = |key| Said::new(key, &[("name", &name)]);
    PlanStep {
        target: proposal.target.clone(),
        what: said("said_recreate_builder"),
        undo: said("said_undo_builder"),
        restarts: Some(said("said_recreates_builder")),
    }
}

fn restart(proposal: &Proposal, change: &Change) -> PlanStep {
    let (unit, restarts) = match change {
        Change::KeepContainers { unit } => (unit.name(), false),
        other => (unit(other).map_or("", UnitId::name), true),
    };
    let unit = on(&proposal.machine, unit);
    let once = Said::new("said_restart", &[("unit", &unit)]);
    let what = if restarts {
        once.clone()
    } else {
        Said::new("said_keep_containers", &[("unit", &unit)])
    };
    PlanStep {
        target: proposal.target.clone(),
        what,
        undo: once,
        restarts: restarts.then(|| effect(proposal.effect, &unit)),
    }
}

fn effect(effect: Option<Effect>, unit: &str) -> Said {
    let (key, count) = match effect {
        None => return Said::new("said_restarts", &[("unit", &unit)]),
        Some(Effect::Nothing) => return Said::new("said_restarts_none", &[("unit", &unit)]),
        Some(Effect::Harmless) => {
            return Said::new("said_restarts_harmless", &[("unit", &unit)]);
        }
        Some(Effect::Stops { containers }) => ("said_restarts_stops", containers),
        Some(Effect::Keeps { containers }) => ("said_restarts_keeps", containers),
    };
    Said::new(key, &[("unit", &unit), ("count", &count)])
}

fn describe(proposal: &Proposal, change: &Change, file: &FileId, draft: &Draft) -> PlanStep {
    let path = on(&proposal.machine, draft.path.display());
    let what = match change {
        Change::SetJsonKeys { keys, .. } => {
            let names: Vec<String> = keys.iter().map(|(names, _)| key(file, names)).collect();
            Said::new("said_set", &[("names", &names.join(", ")), ("path", &path)])
        }
        Change::SetEngineEnv { environment, .. } => {
            let names: Vec<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
            let names = format!("engine.env ({})", names.join(", "));
            Said::new("said_set", &[("names", &names), ("path", &path)])
        }
        Change::WriteEnvironmentDropIn { environment, .. }
        | Change::WriteProfile { environment, .. } => {
            let names: Vec<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
            Said::new(
                "said_write_with",
                &[("names", &names.join(", ")), ("path", &path)],
            )
        }
        Change::InstallFile { .. }
        | Change::NoteLenders { .. }
        | Change::KeepContainers { .. }
        | Change::RestartUnit { .. }
        | Change::RecreateBuilder { .. } => Said::new("said_write", &[("path", &path)]),
    };
    let undo = match (&draft.current, file.owner()) {
        (Some(_), Owner::System) => "said_undo_roots",
        (Some(_), Owner::User) => "said_undo_yours",
        (None, _) => "said_undo_new",
    };
    PlanStep {
        target: proposal.target.clone(),
        what,
        undo: Said::new(undo, &[("path", &path)]),
        restarts: None,
    }
}

/// A member of a file, as people know it: a builder's options have their own names.
fn key(file: &FileId, names: &[String]) -> String {
    match (file, names.last()) {
        (FileId::BuildxInstance { .. }, Some(option)) => option.clone(),
        _ => names.join("."),
    }
}

/// A file or unit, with its machine where that is not this one.
pub(super) fn on(machine: &Machine, name: impl std::fmt::Display) -> String {
    match machine {
        Machine::Local => name.to_string(),
        Machine::Wsl(_) => format!("{machine}:{name}"),
    }
}

/// Names exactly these changes of exactly these files.
fn id(steps: &[Planned]) -> String {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for step in steps {
        parts.push(step.machine.to_string().into_bytes());
        parts.push(serde_json::to_vec(&step.change).unwrap_or_default());
        parts.push(serde_json::to_vec(&step.seen).unwrap_or_default());
    }
    Fingerprint::over(parts.iter().map(Vec::as_slice))
        .short()
        .to_owned()
}
