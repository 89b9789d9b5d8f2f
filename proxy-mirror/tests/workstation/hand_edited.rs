//! Only what the daemon says counts.

use testbed::Squid;

use crate::office::{Office, gangway, set_up, state_of, text};

#[test]
fn a_hand_edited_daemon_json_without_a_restart_is_not_in_force() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    assert_eq!(state_of(&ws, "docker-daemon"), "in_force");

    ws.sh(
        "cp /etc/docker/daemon.json /root/ours; echo '{}' >/etc/docker/daemon.json\n\
         systemctl restart docker; cp /root/ours /etc/docker/daemon.json",
    )
    .unwrap();
    assert_eq!(state_of(&ws, "docker-daemon"), "not_in_force");
    let status = gangway(&ws, &["status"]);
    assert_eq!(status.status.code(), Some(4), "{}", text(&status.stdout));
}
