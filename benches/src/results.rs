//! The table, on the screen and in `benches/results.md`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::agent::Agent;
use crate::goals::Goal;
use crate::load::pace::Paced;
use crate::measure::{Figures, Measure};
use crate::pac::{ByScript, Kind};
use crate::routing::Decision;
use crate::way::Way;
use crate::{machine, statistics};

/// How the load is made, and what a reader must know to judge the figures.
const METHOD: &str = include_str!("results/method.md");

/// Everything that a run found out.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Rounds of each measure.
    pub(crate) rounds: usize,
    /// The share of the machine that was idle before the run, between 0 and 1.
    pub(crate) idle: f64,
    /// Figures of connections.
    pub(crate) figures: Figures,
    /// Routing decisions: with ten rules, and with many.
    pub(crate) decisions: [Vec<Decision>; 2],
    /// Decisions by a PAC script, of every kind.
    pub(crate) by_script: Vec<ByScript>,
    /// The agent at rest, and its plans.
    pub(crate) agent: Option<Agent>,
    /// Steady paces: how many a second, of which way, for how long, and what became of them.
    pub(crate) paces: Vec<(u32, Way, Duration, Paced)>,
    /// The goals, judged.
    pub(crate) goals: Vec<Goal>,
    /// Why goals are missed.
    pub(crate) profiles: Vec<String>,
    /// What failed: no figure came of it.
    pub(crate) problems: Vec<String>,
    /// Names and versions.
    pub(crate) versions: Vec<String>,
}

impl Results {
    /// The whole document.
    pub(crate) fn markdown(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::from("# Results of `make bench`\n\n");
        writeln!(text, "{}.", machine::describe())?;
        writeln!(
            text,
            "Before the run {:.0} % of it was idle.",
            self.idle * 100.0
        )?;
        if self.idle < 0.95 {
            text.push_str(
                "\n**Other programs were using the machine: these figures are no results.**\n",
            );
        }
        writeln!(
            text,
            "\nMedians of {} interleaved rounds (lowest–highest).\n",
            self.rounds
        )?;
        if !self.problems.is_empty() {
            text.push_str("**Some of it failed, and has no figure:**\n\n");
            for problem in &self.problems {
                writeln!(text, "- {}", problem.replace('\n', " "))?;
            }
            text.push('\n');
        }
        self.tables(&mut text)?;
        self.judged(&mut text)?;
        for profile in &self.profiles {
            writeln!(text, "\n{}", profile.trim_end())?;
        }
        text.push_str("\n## The programs\n\n");
        for version in &self.versions {
            writeln!(text, "- {version}")?;
        }
        write!(text, "\n{METHOD}")?;
        Ok(text)
    }

    /// Prints it, and writes it beside this program's sources.
    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        let text = self.markdown()?;
        print!("{text}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.md");
        Ok(std::fs::write(path, text)?)
    }

    fn tables(&self, text: &mut String) -> std::fmt::Result {
        let [explicit, transparent]: [Vec<Measure>; 2] = [true, false].map(|explicit| {
            let of = |measure: &Measure| measure.is_explicit() == explicit;
            Measure::ALL.into_iter().filter(of).collect()
        });
        for (title, measures, ways) in [
            ("Intercepted", transparent, Way::TRANSPARENT),
            ("Explicit", explicit, Way::EXPLICIT),
        ] {
            write!(text, "## {title}\n\n| measure |")?;
            ways.iter()
                .try_for_each(|way| write!(text, " {} |", way.name()))?;
            text.push_str("\n|---|");
            text.push_str(&"---:|".repeat(ways.len()));
            text.push('\n');
            for measure in measures {
                write!(text, "| {} |", measure.title())?;
                ways.iter()
                    .try_for_each(|way| write!(text, " {} |", self.figures.cell(measure, *way)))?;
                text.push('\n');
            }
            text.push('\n');
        }
        self.routing(text)?;
        self.by_script(text)?;
        self.agent(text)?;
        self.steady(text)
    }

    fn routing(&self, text: &mut String) -> std::fmt::Result {
        text.push_str(
            "## One routing decision (criterion)\n\n\
             | bypass rules | median (ns) |\n|---|---:|\n",
        );
        for decisions in &self.decisions {
            let Some(one) = decisions.first() else {
                continue;
            };
            let medians: Vec<f64> = decisions.iter().map(|one| one.median).collect();
            let (low, high) = statistics::spread(&medians);
            writeln!(
                text,
                "| {} names, {} networks | **{:.1}** ({low:.1}–{high:.1}) |",
                one.names,
                one.networks,
                statistics::median(&medians),
            )?;
        }
        text.push('\n');
        Ok(())
    }

    fn by_script(&self, text: &mut String) -> std::fmt::Result {
        write!(
            text,
            "## One decision by a PAC script of {} rules (criterion)\n\n\
             | its rules | remembered, median (ns) | evaluated in the worker, median (µs) |\n\
             |---|---:|---:|\n",
            crate::pac::RULES
        )?;
        for kind in Kind::ALL {
            let of_kind = |figure: fn(&ByScript) -> f64| -> Vec<f64> {
                let all = self.by_script.iter().filter(|one| one.kind == kind);
                all.map(figure).collect()
            };
            let (remembered, evaluated) =
                (of_kind(|one| one.remembered), of_kind(|one| one.evaluated));
            if remembered.is_empty() {
                continue;
            }
            let (low, high) = statistics::spread(&evaluated);
            writeln!(
                text,
                "| {} | **{:.0}** | **{:.1}** ({:.1}–{:.1}) |",
                kind.title(),
                statistics::median(&remembered),
                statistics::median(&evaluated) / 1000.0,
                low / 1000.0,
                high / 1000.0,
            )?;
        }
        text.push('\n');
        Ok(())
    }

    fn agent(&self, text: &mut String) -> std::fmt::Result {
        let Some(agent) = &self.agent else {
            return Ok(());
        };
        let (low, high) = statistics::spread(&agent.plans);
        write!(
            text,
            "## The agent, on a workstation with systemd, Docker and the engine's service\n\n\
             | measure | |\n|---|---:|\n\
             | resident memory at rest (MiB) | **{:.1}** |\n\
             | processor time at rest, of one core (%) | **{:.2}** |\n\
             | `gangway plan` of {} steps, start to end (ms) | **{:.0}** ({low:.0}–{high:.0}) |\n\n",
            agent.resident,
            agent.busy,
            agent.steps,
            statistics::median(&agent.plans),
        )
    }

    fn steady(&self, text: &mut String) -> std::fmt::Result {
        text.push_str(
            "## New connections at a steady pace\n\n\
             | asked | way | for | opened | failed | answer after, p50 / p99 / longest (ms) |\n\
             |---|---|---|---:|---:|---|\n",
        );
        for (rate, way, time, paced) in &self.paces {
            let failed: u64 = paced.failures.values().sum();
            let [middle, late, last] = paced.waits;
            writeln!(
                text,
                "| {rate}/s | {} | {} s | {} ({:.0}/s) | {failed} | \
                 {middle:.1} / {late:.1} / {last:.1} |",
                way.name(),
                time.as_secs(),
                paced.tried,
                paced.pace,
            )?;
        }
        for (rate, way, _, paced) in &self.paces {
            for (why, times) in &paced.failures {
                writeln!(text, "\n{} at {rate}/s: {times} × {why}", way.name())?;
            }
        }
        text.push('\n');
        Ok(())
    }

    fn judged(&self, text: &mut String) -> std::fmt::Result {
        text.push_str(
            "## Goals\n\n| measure | | asked of Gangway | measured | |\n|---|---|---|---:|---|\n",
        );
        for goal in &self.goals {
            writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                goal.about,
                if goal.must { "must" } else { "aim" },
                goal.asked,
                goal.measured,
                match (goal.met, goal.must) {
                    (true, _) => "met",
                    (false, true) => "**MISSED**",
                    (false, false) => "not reached",
                },
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Results;

    #[test]
    fn what_failed_and_a_machine_that_was_busy_are_told_above_the_figures() {
        let results = Results {
            idle: 0.5,
            problems: vec!["round 1, memory, redsocks: gone".into()],
            ..Results::default()
        };
        let text = results.markdown().expect("text");
        let figures = text.find("## Intercepted").expect("figures");
        for told in ["redsocks: gone", "these figures are no results"] {
            assert!(text.find(told).is_some_and(|at| at < figures), "{text}");
        }
    }
}
