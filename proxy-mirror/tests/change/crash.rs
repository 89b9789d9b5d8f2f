//! A loss of power anywhere leaves an exact undo.

use std::sync::Arc;

use proxy_mirror::change::host::Local;
use proxy_mirror::change::{Desk, Journal, undo};

use crate::failing::Failing;
use crate::sandbox::{DAEMON_JSON, Sandbox, daemon_json, drop_in};

#[test]
fn a_crash_between_any_two_steps_leaves_an_exact_undo() {
    for present in [true, false] {
        for step in 0.. {
            let machine = Sandbox::new();
            if present {
                machine.write("etc/docker/daemon.json", DAEMON_JSON);
            }
            let before = machine.picture();
            let failing = Arc::new(Failing::new(Local::at(machine.root()), step));
            let desk = Desk {
                host: failing.clone(),
                journal: Journal::at(machine.journal()),
            };
            let changes = [daemon_json(), drop_in("http://127.0.0.1:3182")];
            let carried = changes
                .iter()
                .try_for_each(|change| desk.carry_out(change, &[]));
            undo(&machine.desks, None).unwrap();
            assert_eq!(machine.picture(), before, "after a crash at step {step}");
            if carried.is_ok() {
                assert!(step > 10, "the steps were counted: {step}");
                break;
            }
        }
    }
}

#[test]
fn a_crash_in_the_midst_of_undo_is_made_good_by_the_next() {
    for step in 0.. {
        let machine = Sandbox::new();
        machine.write("etc/docker/daemon.json", DAEMON_JSON);
        let before = machine.picture();
        machine
            .apply(&[daemon_json(), drop_in("http://127.0.0.1:3182")])
            .unwrap();
        let failing = Arc::new(Failing::new(Local::at(machine.root()), step));
        let desk = Desk {
            host: failing,
            journal: Journal::at(machine.journal()),
        };
        let finished = desk.undo(None).is_ok();
        undo(&machine.desks, None).unwrap();
        assert_eq!(machine.picture(), before, "after a crash at step {step}");
        if finished {
            break;
        }
    }
}
