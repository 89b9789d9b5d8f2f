//! The order of a run.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::error::{BenchError, Result};
use crate::load::pace::{self, Paced};
use crate::measure::Figures;
use crate::profile::{self, Subject};
use crate::results::Results;
use crate::rig::Rig;
use crate::sessions::{self, Extent};
use crate::way::{Style, Way};
use crate::{agent, goals, machine, pac, peer, routing};

/// An odd number, so that a median is one of them.
const ROUNDS: usize = 5;
const EXTENT: Extent = Extent {
    time: Duration::from_secs(3),
    singles: 500,
    tunnels: 3_000,
};
/// New connections a second: what must go, and what is aimed at.
const PACES: [(u32, bool); 2] = [(1_000, true), (2_000, false)];
/// Longer than a port waits (60 s): whatever runs out at this pace has run out by then.
const STEADY: Duration = Duration::from_secs(75);
const STEADY_LONG: Duration = Duration::from_mins(5);
/// Bypass rules of the routing decision, few and many: names, and networks.
const RULES: [(u32, u32); 2] = [(9, 1), (10_000, 1_000)];
const STAGES: [&str; 7] = [
    "transparent",
    "memory",
    "explicit",
    "routing",
    "pac",
    "agent",
    "pace",
];

type Session = fn(Way, Extent, &mut Figures) -> Result<()>;

/// What is run.
#[derive(Debug)]
pub(crate) struct Plan {
    stages: BTreeSet<&'static str>,
    steady: Duration,
}

impl Plan {
    /// From the command line: names of stages, none for all, and `--long`.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let mut plan = Self {
            stages: BTreeSet::new(),
            steady: STEADY,
        };
        for word in words {
            match STAGES.into_iter().find(|stage| stage == word) {
                Some(stage) => {
                    plan.stages.insert(stage);
                }
                None if word == "--long" => plan.steady = STEADY_LONG,
                None => {
                    let known = STAGES.join(", ");
                    return Err(BenchError::Unexpected(format!(
                        "no stage is named `{word}`; there are {known}, and --long"
                    )));
                }
            }
        }
        Ok(plan)
    }

    /// Whether the results are those of everything.
    pub(crate) fn is_whole(&self) -> bool {
        self.stages.is_empty()
    }

    fn has(&self, stage: &str) -> bool {
        self.is_whole() || self.stages.contains(stage)
    }
}

/// Measures what is planned, and judges it. What fails is told among the results, and has no figure
/// in its round.
pub(crate) fn run(plan: &Plan) -> Result<Results> {
    let mut results = Results {
        rounds: ROUNDS,
        idle: machine::idle(Duration::from_secs(3)),
        versions: machine::versions(&peer::engine()?),
        ..Results::default()
    };
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS} …", round + 1);
        one_round(plan, round, &mut results);
    }
    if plan.has("agent") {
        eprintln!("the agent on a workstation …");
        machine::settle();
        match agent::measure() {
            Ok(seen) => results.agent = Some(seen),
            Err(error) => results.problems.push(error.to_string()),
        }
    }
    if plan.has("pace") {
        for (rate, must) in PACES {
            if let Err(error) = steady(plan, rate, must, &mut results) {
                results.problems.push(format!("{rate}/s: {error}"));
            }
        }
    }
    judge(plan, &mut results);
    Ok(results)
}

fn one_round(plan: &Plan, round: usize, results: &mut Results) {
    let mut session = |stage: &'static str, way: Way, run: Session| {
        if plan.has(stage) {
            machine::settle();
            if let Err(error) = run(way, EXTENT, &mut results.figures) {
                let place = format!("round {}, {stage}, {}", round + 1, way.name());
                results.problems.push(format!("{place}: {error}"));
            }
        }
    };
    for way in turned(Way::TRANSPARENT, round) {
        session("transparent", way, sessions::transparent);
        session("memory", way, sessions::memory);
    }
    for way in turned(Way::EXPLICIT, round) {
        session("explicit", way, sessions::explicit);
    }
    if plan.has("routing") {
        machine::settle();
        for (decisions, (names, networks)) in results.decisions.iter_mut().zip(RULES) {
            match routing::measure(names, networks) {
                Ok(decision) => decisions.push(decision),
                Err(error) => results.problems.push(format!("routing: {error}")),
            }
        }
    }
    if plan.has("pac") {
        machine::settle();
        for kind in pac::Kind::ALL {
            match pac::measure(kind) {
                Ok(decision) => results.by_script.push(decision),
                Err(error) => results.problems.push(format!("pac: {error}")),
            }
        }
    }
}

/// The ways in turn, another one first each round.
fn turned(ways: [Way; 4], round: usize) -> [Way; 4] {
    let mut ways = ways;
    let first = round % ways.len();
    ways.rotate_left(first);
    ways
}

/// One pace. When something fails, the way without a relay is tried too: is it the relay?
fn steady(plan: &Plan, rate: u32, must: bool, results: &mut Results) -> Result<()> {
    let mut pace = |way: Way| {
        eprintln!(
            "{rate} new connections/s, {}, {:?} …",
            way.name(),
            plan.steady
        );
        machine::settle();
        let rig = Rig::open(way, Style::Transparent)?;
        let paced: Paced = rig.load(|client| pace::run(client, rate, plan.steady))?;
        results.paces.push((rate, way, plan.steady, paced.clone()));
        Ok::<_, BenchError>(paced)
    };
    let paced = pace(Way::Gangway)?;
    if !paced.failures.is_empty() {
        pace(Way::Routed)?;
    }
    results.goals.push(goals::judge_pace(rate, must, &paced));
    Ok(())
}

fn judge(plan: &Plan, results: &mut Results) {
    let [few, many] = &results.decisions;
    let mut goals = goals::judge(&results.figures);
    if plan.has("routing") {
        goals.extend(goals::judge_routing(few, many));
    }
    if plan.has("pac") {
        goals.extend(goals::judge_by_script(&results.by_script));
    }
    goals.extend(results.agent.iter().flat_map(agent::judge));
    goals.append(&mut results.goals);
    goals.retain(|goal| plan.is_whole() || goal.measured != "NaN");
    let subjects: BTreeSet<Subject> = goals
        .iter()
        .filter(|goal| goal.must && !goal.met)
        .filter_map(|goal| goal.measure.map(Subject::of))
        .collect();
    results.goals = goals;
    for subject in subjects {
        eprintln!("a goal is missed: profile of {subject:?} …");
        match profile::describe(subject) {
            Ok(profile) => results.profiles.push(profile),
            Err(error) => results
                .problems
                .push(format!("profile of {subject:?}: {error}")),
        }
    }
}

/// Thousands of connections are held at both ends, and the relays inherit the limit.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it cannot be raised, the load says what it lacked.
    let _ = setrlimit(Resource::Nofile, limit);
}
