//! The environment that systemd gives to every service that it starts, the machine's and the user's.

use super::Ground;
use crate::change::host::Command;
use crate::control::{Finding, Said, Verdict};

/// One a manager's proxy that the policy does not know.
pub(super) async fn findings(ground: &Ground<'_>) -> Vec<Finding> {
    let host = std::sync::Arc::clone(&ground.desks.local);
    if !host.has_systemd() {
        return Vec::new();
    }
    let agreed = ground.agreed();
    let mut findings = Vec::new();
    for command in [Command::ManagerEnvironment, Command::UserManagerEnvironment] {
        let host = std::sync::Arc::clone(&host);
        let asked = tokio::task::spawn_blocking(move || host.run(command)).await;
        // A user without a manager (on a server, through sudo) has no such environment.
        let Ok(Ok(output)) = asked else { continue };
        if !output.success() {
            continue;
        }
        for (name, value) in proxies(&output.stdout) {
            let Some(proxy) = agreed.other(value) else {
                continue;
            };
            let subject = match command {
                Command::UserManagerEnvironment => "systemctl --user show-environment",
                _ => "systemctl show-environment",
            };
            findings.push(Finding::of(
                Verdict::Warn,
                "manager_environment",
                subject,
                Said::new(
                    "said_doctor_manager",
                    &[("variable", &name), ("proxy", &proxy)],
                ),
                Said::new("said_doctor_manager_remedy", &[("variable", &name)]),
            ));
        }
    }
    findings
}

fn proxies(shown: &str) -> impl Iterator<Item = (&str, &str)> {
    shown.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let known = ["http_proxy", "https_proxy", "all_proxy"];
        let value = value.trim_matches(['"', '\'', '$']);
        let proxy = known.iter().any(|known| name.eq_ignore_ascii_case(known));
        (proxy && !value.is_empty()).then_some((name, value))
    })
}
