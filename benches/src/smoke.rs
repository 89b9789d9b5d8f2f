//! Every load works, in miniature: the engine, and the way without a relay.

use std::time::Duration;

use rustix::process::Signal;
use testbed::wait_for;

use crate::load::pace;
use crate::measure::{Figures, Measure};
use crate::rig::Rig;
use crate::sessions::{self, Extent};
use crate::soak;
use crate::way::{Style, Way};

const EXTENT: Extent = Extent {
    time: Duration::from_millis(200),
    singles: 5,
    tunnels: 50,
};

#[test]
fn every_measure_gives_a_figure_of_the_engine_and_of_the_way_without_one() {
    let mut figures = Figures::default();
    for way in [Way::Routed, Way::Gangway] {
        sessions::transparent(way, EXTENT, &mut figures).expect("intercepted");
        sessions::memory(way, EXTENT, &mut figures).expect("memory");
        sessions::explicit(way, EXTENT, &mut figures).expect("explicit");
    }
    for measure in Measure::ALL {
        let figure = figures.median(measure, Way::Gangway);
        let least = if measure == Measure::IdleTunnel {
            f64::MIN
        } else {
            0.0
        };
        assert!(
            figure.is_some_and(|figure| figure > least),
            "{measure:?}: {figure:?}"
        );
    }
    for measure in [
        Measure::NewTls,
        Measure::FirstByte,
        Measure::Bulk,
        Measure::Requests,
    ] {
        let figure = figures.median(measure, Way::Routed);
        assert!(
            figure.is_some_and(|figure| figure > 0.0),
            "{measure:?}: {figure:?}"
        );
    }
}

#[test]
fn a_steady_pace_is_kept_and_its_failures_are_counted() {
    let rig = Rig::open(Way::Gangway, Style::Transparent).expect("a way");
    let time = Duration::from_secs(1);
    let paced = rig
        .load(|client| pace::run(client, 100, time))
        .expect("a pace");
    assert!((90..=100).contains(&paced.tried), "{paced:?}");
    assert!(paced.failures.is_empty(), "{paced:?}");
    // With its process stopped, every connection is a failure that is counted.
    signal(&rig, Signal::STOP);
    let paced = rig
        .load(|client| pace::run(client, 10, time))
        .expect("a pace");
    assert_eq!(paced.failures.values().sum::<u64>(), paced.tried);
}

#[test]
fn traffic_that_goes_around_the_relay_is_no_figure() {
    let rig = Rig::open(Way::Gangway, Style::Transparent).expect("a way");
    // Its rules go with it.
    signal(&rig, Signal::KILL);
    let status = format!("/proc/{}/status", rig.process().expect("a relay").pid());
    wait_for("the engine is dead", Duration::from_secs(5), || {
        let status = std::fs::read_to_string(&status).ok()?;
        status.contains("State:\tZ").then_some(())
    })
    .expect("a dead engine");
    // The kernel takes the rules away a moment later; until then nobody gets through.
    wait_for("the way around", Duration::from_secs(5), || {
        let answer =
            rig.load(|client| crate::load::connections::run(client, Duration::from_millis(100)));
        let said = answer.expect_err("the wrong way").to_string();
        said.contains("came another way").then_some(())
    })
    .expect("told as what it is");
}

#[test]
fn minutes_of_load_and_trouble_leave_nothing_behind_and_no_byte_wrong() {
    crate::run::raise_descriptor_limit();
    let extent = soak::Extent {
        time: Duration::from_secs(30),
        bytes: 1 << 30,
        each: 4 << 20,
        silent: 1_500,
        beat: Duration::from_secs(1),
        ..soak::Extent::minutes(1)
    };
    let done = soak::run(&extent).expect("nothing wrong");
    assert!(done.bytes() >= extent.bytes, "{done}");
}

fn signal(rig: &Rig, signal: Signal) {
    let pid = i32::try_from(rig.process().expect("a relay").pid()).expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("a signal");
}
