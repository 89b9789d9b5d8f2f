//! What was asked for, beside what was measured.

use crate::load::pace::Paced;
use crate::measure::{Figures, Measure};
use crate::pac::{ByScript, Kind};
use crate::routing::Decision;
use crate::statistics::median;
use crate::way::Way;

/// A goal, judged.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    /// What it is about.
    pub(crate) about: &'static str,
    /// What is asked.
    pub(crate) asked: String,
    /// What the figures say.
    pub(crate) measured: String,
    /// Whether it is reached.
    pub(crate) met: bool,
    /// A goal that must be reached, or one to aim at.
    pub(crate) must: bool,
    /// The measure to look at when it is missed.
    pub(crate) measure: Option<Measure>,
}

/// All goals of the figures, in their order.
pub(crate) fn judge(figures: &Figures) -> Vec<Goal> {
    let mut asked = Asked {
        figures,
        goals: Vec::new(),
    };
    connections(&mut asked);
    bulk(&mut asked);
    memory(&mut asked);
    explicit(&mut asked);
    asked.goals
}

fn connections(asked: &mut Asked) {
    let measure = Measure::NewTls;
    let haproxy = asked.of(measure, Way::HaProxy);
    let redsocks = asked.of(measure, Way::Redsocks);
    asked.must(measure, AtLeast, "1.25 × redsocks", 1.25 * redsocks);
    asked.must(measure, AtLeast, "0.8 × HAProxy TCP", 0.8 * haproxy);
    asked.aim(measure, AtLeast, "HAProxy TCP", haproxy);
    let measure = Measure::FirstByte;
    let haproxy = asked.of(measure, Way::HaProxy);
    let redsocks = asked.of(measure, Way::Redsocks);
    let connect = 1.3 * asked.of(Measure::Exchange, Way::Routed);
    asked.must(measure, AtMost, "redsocks", redsocks);
    let text = "HAProxy TCP + 1.3 × one routed exchange";
    asked.must(measure, AtMost, text, haproxy + connect);
    asked.aim(measure, AtMost, "1.1 × HAProxy TCP", 1.1 * haproxy);
}

fn bulk(asked: &mut Asked) {
    let measure = Measure::Bulk;
    let routed = asked.of(measure, Way::Routed);
    let peers = [Way::HaProxy, Way::Redsocks];
    let [one, other] = peers.map(|way| asked.of(measure, way));
    asked.must(measure, AtLeast, "0.85 × routed", 0.85 * routed);
    asked.must(
        measure,
        AtLeast,
        "1.2 × the best peer",
        1.2 * one.max(other),
    );
    asked.aim(measure, AtLeast, "0.9 × routed", 0.9 * routed);
    let measure = Measure::BulkCpu;
    let [one, other] = peers.map(|way| asked.of(measure, way));
    asked.must(measure, AtMost, "the best peer", one.min(other));
    asked.aim(measure, AtMost, "0.8 × the best peer", 0.8 * one.min(other));
}

fn memory(asked: &mut Asked) {
    let measure = Measure::IdleTunnel;
    let haproxy = asked.of(measure, Way::HaProxy);
    asked.must(measure, AtMost, "HAProxy TCP", haproxy);
    asked.aim(measure, AtMost, "2 KiB", 2048.0);
    asked.must(Measure::AtRest, AtMost, "10 MiB", 10.0);
    asked.aim(Measure::AtRest, AtMost, "6 MiB", 6.0);
}

fn explicit(asked: &mut Asked) {
    let measure = Measure::Requests;
    let squid = asked.of(measure, Way::Squid);
    let tinyproxy = asked.of(measure, Way::Tinyproxy);
    asked.must(measure, AtLeast, "1.5 × Squid", 1.5 * squid);
    asked.must(measure, AtLeast, "4 × tinyproxy", 4.0 * tinyproxy);
    asked.aim(measure, AtLeast, "2.5 × Squid", 2.5 * squid);
    let measure = Measure::Tunnels;
    let squid = asked.of(measure, Way::Squid);
    let tinyproxy = asked.of(measure, Way::Tinyproxy);
    asked.must(measure, AtLeast, "tinyproxy", tinyproxy);
    asked.must(measure, AtLeast, "3 × Squid", 3.0 * squid);
    let measure = Measure::TunnelsCpu;
    let tinyproxy = asked.of(measure, Way::Tinyproxy);
    asked.must(measure, AtMost, "0.8 × tinyproxy", 0.8 * tinyproxy);
}

#[derive(Clone, Copy)]
enum Sense {
    AtLeast,
    AtMost,
}
use Sense::{AtLeast, AtMost};

struct Asked<'a> {
    figures: &'a Figures,
    goals: Vec<Goal>,
}

impl Asked<'_> {
    /// The median, or NaN: no bound, and no figure that meets one.
    fn of(&self, measure: Measure, way: Way) -> f64 {
        self.figures.median(measure, way).unwrap_or(f64::NAN)
    }

    fn must(&mut self, measure: Measure, sense: Sense, text: &str, bound: f64) {
        self.judge(true, measure, sense, text, bound);
    }

    fn aim(&mut self, measure: Measure, sense: Sense, text: &str, bound: f64) {
        self.judge(false, measure, sense, text, bound);
    }

    fn judge(&mut self, must: bool, measure: Measure, sense: Sense, text: &str, bound: f64) {
        let is = self.of(measure, Way::Gangway);
        let digits = measure.digits();
        let (sign, met) = match sense {
            AtLeast => ("≥", is >= bound),
            AtMost => ("≤", is <= bound),
        };
        self.goals.push(Goal {
            about: measure.title(),
            asked: format!("{sign} {text} = {bound:.digits$}"),
            measured: format!("{is:.digits$}"),
            met,
            must,
            measure: Some(measure),
        });
    }
}

/// The routing decision's goals: fast with many rules, and as fast as with few.
pub(crate) fn judge_routing(few: &[Decision], many: &[Decision]) -> Vec<Goal> {
    let middle = |all: &[Decision]| median(&all.iter().map(|one| one.median).collect::<Vec<_>>());
    let (few, many) = (middle(few), middle(many));
    [
        (true, "≤ 1 µs".to_owned(), 1000.0),
        (
            true,
            format!("flat: ≤ 1.25 × that with ten rules = {:.0} ns", 1.25 * few),
            1.25 * few,
        ),
        (false, "≤ 300 ns".to_owned(), 300.0),
    ]
    .map(|(must, asked, bound)| Goal {
        about: "one routing decision, 10,000 names and 1,000 networks in the bypass list",
        asked,
        measured: format!("{many:.0} ns"),
        met: many <= bound,
        must,
        measure: None,
    })
    .into()
}

/// The goals of a decision by a script of 1,000 rules.
pub(crate) fn judge_by_script(all: &[ByScript]) -> Vec<Goal> {
    let middle = |kind, figure: fn(&ByScript) -> f64| {
        let of_kind = all.iter().filter(|one| one.kind == kind);
        median(&of_kind.map(figure).collect::<Vec<_>>())
    };
    let remembered = Kind::ALL.map(|kind| middle(kind, |one| one.remembered));
    let remembered = remembered.into_iter().fold(0.0, f64::max);
    let goal = |about, asked: &str, measured: f64, bound: f64| Goal {
        about,
        asked: asked.to_owned(),
        measured: format!("{measured:.0} ns"),
        met: measured <= bound,
        must: true,
        measure: None,
    };
    let evaluated = |kind| middle(kind, |one| one.evaluated);
    vec![
        goal(
            "one decision by a PAC script, remembered",
            "≤ 1 µs",
            remembered,
            1000.0,
        ),
        goal(
            "the same evaluated, 1,000 rules in an object",
            "≤ 25 µs",
            evaluated(Kind::Table),
            25_000.0,
        ),
        goal(
            "the same evaluated, 1,000 comparisons",
            "≤ 25 µs",
            evaluated(Kind::Names),
            25_000.0,
        ),
    ]
}

/// The steady pace's goal: not one failure, at the pace that was asked.
pub(crate) fn judge_pace(rate: u32, must: bool, paced: &Paced) -> Goal {
    let failed: u64 = paced.failures.values().sum();
    Goal {
        about: "new connections at a steady pace",
        asked: format!("{rate}/s, no failure"),
        measured: format!("{failed} of {} failed", paced.tried),
        met: failed == 0 && paced.pace >= 0.99 * f64::from(rate),
        must,
        measure: None,
    }
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::measure::{Figures, Measure};
    use crate::way::Way;

    #[test]
    fn a_goal_is_met_at_its_bound_and_missed_beyond_it() {
        for (gangway, met) in [(1250.0, [true, true, true]), (999.0, [false, true, false])] {
            let mut figures = Figures::default();
            figures.add(Measure::NewTls, Way::Redsocks, 1000.0);
            figures.add(Measure::NewTls, Way::HaProxy, 1000.0);
            figures.add(Measure::NewTls, Way::Gangway, gangway);
            let judged: Vec<bool> = judge(&figures)
                .iter()
                .take(3)
                .map(|goal| goal.met)
                .collect();
            assert_eq!(judged, met, "{gangway}");
        }
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        assert!(judge(&Figures::default()).iter().all(|goal| !goal.met));
    }
}
