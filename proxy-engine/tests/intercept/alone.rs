//! One process that sets up and gives its capabilities up.

use proxy_engine::intercept::Interceptor;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use testbed::net::ORIGIN;

use crate::processes::{self, Role};
use crate::road::{Road, greeting};

#[test]
fn a_process_without_capabilities_keeps_its_rules_and_says_that_they_cannot_change() {
    let road = Road::new();
    // It checks its own threads, and that it is told why its rules cannot change.
    let alone = processes::start(&road, Role::Alone);
    let status = std::fs::read_to_string(format!("/proc/{}/status", alone.pid()));
    let status = status.expect("its status");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    let captured = format!("captured {ORIGIN}:80");
    assert_eq!(greeting(&road.corp.pod, (ORIGIN, 80)), captured);
    alone.kill();
    assert!(road.tables().is_empty());
}

#[test]
fn without_privilege_it_is_said_what_to_do() {
    let road = Road::new();
    let error = road
        .corp
        .node
        .enter(|| {
            // Of this thread alone.
            let none = CapabilitySets {
                effective: CapabilitySet::empty(),
                permitted: CapabilitySet::empty(),
                inheritable: CapabilitySet::empty(),
            };
            set_capabilities(None, none).expect("fewer capabilities");
            Interceptor::in_process()
        })
        .expect("the node")
        .expect_err("no privilege");
    assert_eq!(error.problem().code, "interception_not_permitted");
    assert!(error.to_string().contains("--broker"), "{error}");
}
