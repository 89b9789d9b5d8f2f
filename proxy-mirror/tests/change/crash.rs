//! A loss of power anywhere leaves an exact undo.

use std::sync::Arc;

use proxy_mirror::change::host::Local;
use proxy_mirror::change::{Desk, Journal, undo};

use crate::failing::Failing;
use crate::sandbox::{DAEMON_JSON, Sandbox, daemon_json, daemon_json_to, drop_in};

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

#[test]
fn a_crash_in_a_second_change_keeps_what_was_written_by_hand_and_nothing_of_ours() {
    let by_hand = |text: String| text.replace("\"local\"", "\"journald\"");
    for edited_after in [false, true] {
        for step in 0.. {
            let machine = Sandbox::new();
            let file = machine.write("etc/docker/daemon.json", DAEMON_JSON);
            machine.apply(&[daemon_json()]).unwrap();
            let edited = by_hand(std::fs::read_to_string(&file).unwrap());
            std::fs::write(&file, edited).unwrap();
            let failing = Arc::new(Failing::new(Local::at(machine.root()), step));
            let desk = Desk {
                host: failing,
                journal: Journal::at(machine.journal()),
            };
            let second = daemon_json_to("http://127.0.0.1:4000");
            let carried = desk.carry_out(&second, &[]).is_ok();
            let mut expected = by_hand(DAEMON_JSON.to_owned());
            if edited_after {
                let text = std::fs::read_to_string(&file).unwrap();
                std::fs::write(&file, text.replace("// mine", "// still mine")).unwrap();
                expected = expected.replace("// mine", "// still mine");
            }
            undo(&machine.desks, None).unwrap();
            let left = std::fs::read_to_string(&file).unwrap();
            assert_eq!(left, expected, "after a crash at step {step}");
            if carried {
                break;
            }
        }
    }
}
