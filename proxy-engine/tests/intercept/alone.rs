//! One process that sets up and gives its capabilities up.

use testbed::net::ORIGIN;

use crate::processes::{self, Role};
use crate::road::{Road, greeting};

#[test]
fn a_process_without_capabilities_keeps_its_rules_and_says_that_they_cannot_change() {
    let road = Road::new();
    // It checks its own threads, and says `ready` twice: with rules, and without capabilities.
    let alone = processes::start(&road, Role::Alone);
    testbed::wait_for("the capabilities to go", crate::road::SOON, || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", alone.pid())).ok()?;
        status.contains("CapEff:\t0000000000000000").then_some(())
    })
    .expect("given up");
    let captured = format!("captured {ORIGIN}:80");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
    alone.kill();
    assert!(road.tables().is_empty());
}
