//! The agent on the testbed's workstation (systemd, a real Docker, every target set up): what it
//! costs at rest, and how long a plan takes.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use testbed::{CorpNet, Workstation, wait_for};

use crate::error::{BenchError, Result};
use crate::goals::Goal;
use crate::statistics::median;

/// Where the programs are on the workstation, beside each other.
const GANGWAY: &str = "/opt/gangway/gangway";
/// An upstream that need not be there: nothing is sent.
const UPSTREAM: &str = "http://proxy.example.test:3128";
/// How long the agent is watched.
const REST: Duration = Duration::from_mins(1);
/// Until it has asked every target for the first time.
const SETTLED: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(30);
/// Plans, an odd number.
const PLANS: usize = 21;
/// The kernel's clock ticks a second (`USER_HZ`, 100 on every Linux of this architecture).
const TICKS: f64 = 100.0;

/// What was seen.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    /// Resident memory, in MiB.
    pub(crate) resident: f64,
    /// Processor time, in percent of one core.
    pub(crate) busy: f64,
    /// `gangway plan` with something to do everywhere, from start to end, in milliseconds.
    pub(crate) plans: Vec<f64>,
    /// How many steps those plans have.
    pub(crate) steps: usize,
}

/// Sets a workstation up, and watches.
pub(crate) fn measure() -> Result<Agent> {
    let corp = CorpNet::new()?;
    let workstation = Workstation::start(&corp)?;
    for program in ["gangway", "proxy-engine"] {
        let inside = Path::new(GANGWAY).with_file_name(program);
        workstation.copy_in(&built(program)?, &inside.display().to_string())?;
    }
    workstation.sh(&format!(
        "{GANGWAY} set upstream {UPSTREAM} && {GANGWAY} engine install --yes && \
         {GANGWAY} apply --yes && \
         systemd-run --quiet --unit=agent --setenv=HOME=/root {GANGWAY} run"
    ))?;
    wait_for("the agent answers", SOON, || {
        let status = workstation.sh(&format!("{GANGWAY} status --json || true"));
        let status: serde_json::Value = serde_json::from_str(&status.ok()?).ok()?;
        status["agent_pid"].as_u64()
    })?;
    thread::sleep(SETTLED);
    let before = ticks(&workstation)?;
    thread::sleep(REST);
    let after = ticks(&workstation)?;
    let resident = workstation.sh(
        "awk '/^VmRSS/ {print $2}' /proc/$(systemctl show --value --property=MainPID agent)/status",
    )?;
    // Back to what it was: a plan has everything to do again.
    workstation.sh(&format!("{GANGWAY} undo --yes"))?;
    let planned = workstation.sh(&format!("{GANGWAY} plan --json || true"))?;
    let planned: serde_json::Value =
        serde_json::from_str(&planned).map_err(|error| unexpected(&error))?;
    let times = workstation.sh(&format!(
        "for n in $(seq {PLANS}); do a=$(date +%s%N); {GANGWAY} plan >/dev/null || true; \
         b=$(date +%s%N); echo $(( (b - a) / 1000 )); done"
    ))?;
    Ok(Agent {
        resident: number(resident.trim())? / 1024.0,
        busy: (after - before) / TICKS / REST.as_secs_f64() * 100.0,
        plans: times
            .lines()
            .map(|line| number(line).map(|microseconds| microseconds / 1000.0))
            .collect::<Result<_>>()?,
        steps: planned["steps"].as_array().map_or(0, Vec::len),
    })
}

/// Processor time of the agent so far, in ticks: fields 14 and 15 of proc_pid_stat(5).
fn ticks(workstation: &Workstation<'_>) -> Result<f64> {
    let stat =
        workstation.sh("cat /proc/$(systemctl show --value --property=MainPID agent)/stat")?;
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    match fields.get(11..13) {
        Some([user, system]) => Ok(number(user)? + number(system)?),
        _ => Err(unexpected(&format!("/proc/…/stat says {stat}"))),
    }
}

fn number(text: &str) -> Result<f64> {
    text.parse().map_err(|error| unexpected(&error))
}

fn unexpected(what: &dyn std::fmt::Display) -> BenchError {
    BenchError::Unexpected(format!("the agent: {what}"))
}

/// A program of this build.
fn built(program: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(BenchError::io("find this program"))?;
    let path = own.with_file_name(program);
    if path.is_file() {
        Ok(path)
    } else {
        Err(unexpected(&format!("{} is not built", path.display())))
    }
}

/// The agent's goals.
pub(crate) fn judge(agent: &Agent) -> Vec<Goal> {
    let goal = |about, asked: &str, measured: String, met| Goal {
        about,
        asked: asked.to_owned(),
        measured,
        met,
        must: true,
        measure: None,
    };
    let plan = median(&agent.plans);
    vec![
        goal(
            "`gangway plan`, every target with something to do",
            "≤ 300 ms",
            format!("{plan:.0} ms"),
            plan <= 300.0 && agent.steps > 0,
        ),
        goal(
            "an idle agent's share of one core",
            "≤ 0.1 %",
            format!("{:.2} %", agent.busy),
            agent.busy <= 0.1,
        ),
        goal(
            "an idle agent's resident memory",
            "≤ 20 MiB",
            format!("{:.1} MiB", agent.resident),
            agent.resident <= 20.0,
        ),
    ]
}
