//! Things die: the agent, the engine, the machine's power.

use std::net::IpAddr;
use std::time::Duration;

use testbed::{APP_IMAGE, BasicLogin, Origin, Squid, Workstation, wait_for};

use crate::office::{Office, SOON, set_up, start_agent, status, succeed, text};

fn pull(ws: &Workstation<'_>) -> std::process::Output {
    // Asked of the registry again, whatever is here already.
    ws.sh(&format!(
        "docker rmi -f {APP_IMAGE} >/dev/null 2>&1 || true"
    ))
    .unwrap();
    ws.exec("docker", &["pull", "-q", APP_IMAGE]).unwrap()
}

#[test]
fn with_no_agent_and_nobody_logged_in_pulls_work_and_those_that_need_a_password_say_so() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let login = BasicLogin {
        user: "ann".into(),
        password: "s3cret".into(),
    };
    let guarded = Squid::with_basic(&office.corp, 3129, &login).unwrap();
    let mut ws = office.workstation();
    set_up(&ws, squid.address());
    start_agent(&ws);
    assert!(pull(&ws).status.success());

    ws.sh("systemctl kill --signal=KILL agent").unwrap();
    let pulled = pull(&ws);
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));

    ws.restart().unwrap();
    let pulled = pull(&ws);
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));

    let upstream = format!("http://ann@{}", guarded.address());
    succeed(&ws, &["set", "upstream", &upstream]);
    ws.restart().unwrap();
    let refused = pull(&ws);
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(
        said.contains("password") && said.contains("10.66.0.2:3129"),
        "{said}"
    );
}

#[test]
fn an_engine_killed_leaves_no_rule_direct_traffic_flows_and_systemd_brings_it_back() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    // A server of the office, reached without any proxy.
    let inside: IpAddr = testbed::net::NODE.into();
    let _server = Origin::inside(&office.corp.node, &[inside], &[], &office.ca).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    start_agent(&ws);
    assert!(pull(&ws).status.success());
    let tables = || ws.sh("nft list tables").unwrap();
    wait_for("containers are intercepted", SOON, || {
        tables().contains("gangway").then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}: {:#}", status(&ws)));

    // Slow to come back, so that there is time to look.
    ws.write(
        "/run/systemd/system/gangway-engine.service.d/slow.conf",
        "[Service]\nRestartSec=8s\n",
    )
    .unwrap();
    ws.sh("systemctl daemon-reload; systemctl kill --signal=KILL gangway-engine")
        .unwrap();
    wait_for("no rule is left", Duration::from_secs(5), || {
        (!tables().contains("gangway")).then_some(())
    })
    .unwrap();
    let fetched = ws
        .sh(&format!(
            "docker run --rm {APP_IMAGE} curl -sS -m 5 --noproxy '*' http://{inside}/hello"
        ))
        .unwrap();
    assert!(fetched.contains("hello from http"), "{fetched}");

    wait_for("the engine is back, and its rules", SOON, || {
        tables().contains("gangway").then_some(())
    })
    .unwrap_or_else(|late| panic!("{late}: {:#}", status(&ws)));
    assert!(pull(&ws).status.success());
}
