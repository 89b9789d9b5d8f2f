//! Other tools of this kind: what runs, and what they left in the places that Gangway sets.

use std::path::Path;

use super::read;
use crate::control::{Finding, Said, Verdict};
use crate::places::Places;

/// Programs that listen as a local proxy.
const PROGRAMS: [&str; 6] = [
    "cntlm",
    "px",
    "redsocks",
    "proxychains4",
    "privoxy",
    "alpaca",
];
/// Drop-ins that people write after Docker's documentation, below `/etc`.
const DROP_INS: [&str; 4] = [
    "systemd/system/docker.service.d/http-proxy.conf",
    "systemd/system/docker.service.d/https-proxy.conf",
    "systemd/system/docker.service.d/proxy.conf",
    "systemd/system/containerd.service.d/http-proxy.conf",
];

/// One a program that runs, and one a file that sets a proxy by hand.
pub(super) fn findings(places: &Places) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (program, pid) in running() {
        findings.push(Finding::of(
            Verdict::Warn,
            "other_tool",
            format!("{program} ({pid})"),
            Said::new("said_doctor_other_tool", &[("program", &program)]),
            Said::new("said_doctor_other_tool_remedy", &[]),
        ));
    }
    for file in DROP_INS {
        let path = places.etc.join(file);
        let Some(text) = read(&path) else { continue };
        if text.to_ascii_lowercase().contains("_proxy") {
            findings.push(Finding::of(
                Verdict::Warn,
                "leftover",
                path.display().to_string(),
                Said::new("said_doctor_leftover", &[]),
                Said::new("said_doctor_leftover_remedy", &[]),
            ));
        }
    }
    findings
}

/// Name and process id of each such program of this machine.
fn running() -> Vec<(String, u32)> {
    let processes = std::fs::read_dir(Path::new("/proc"));
    processes
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            let name = name.trim_end();
            PROGRAMS.contains(&name).then(|| (name.to_owned(), pid))
        })
        .collect()
}
