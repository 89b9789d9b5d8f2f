//! One look at every layer: what is in force there, where it came from, and what to do where it
//! disagrees.

mod containers;
mod environment;
mod leftovers;
mod picture;
mod probe;
mod shell_files;
mod upstreams;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::change::Desks;
use crate::control::{Examination, Status};
use crate::places::Places;
use crate::target::Daemon;

/// No check takes longer: what does not answer is said to.
const PATIENCE: Duration = Duration::from_secs(5);

/// No file that is looked at is read further, in bytes.
const LARGEST: u64 = 1 << 20;

/// What the checks look at.
pub struct Ground<'a> {
    /// The picture that the agent has.
    pub status: &'a Status,
    /// Where this user's things are.
    pub places: &'a Places,
    /// Where commands run.
    pub desks: &'a Desks,
    /// The machine's Docker daemon.
    pub docker: &'a Daemon,
}

impl Ground<'_> {
    /// `host:port` of every proxy that a layer may name and agree with the policy: the engine's
    /// addresses, what targets are told, and the upstreams.
    fn agreed(&self) -> BTreeSet<String> {
        let status = self.status;
        let told = status
            .targets
            .iter()
            .filter_map(|target| target.desired.as_deref());
        let all = told
            .chain(status.engine.listening.iter().map(String::as_str))
            .chain(status.policy.upstreams.iter().map(String::as_str));
        all.map(authority).collect()
    }
}

/// `host:port` of a proxy's URL, in lower case, without user and password.
fn authority(proxy: &str) -> String {
    let rest = proxy.split_once("://").map_or(proxy, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    host.to_ascii_lowercase()
}

/// What can be read of a file; what cannot is nobody's setting.
fn read(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let regular = file.metadata().ok()?.is_file();
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    regular.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// Looks at everything. Reads, asks, and changes nothing.
pub async fn examine(ground: &Ground<'_>) -> Examination {
    let mut findings = picture::sources(ground.status);
    findings.extend(picture::engine(ground.status));
    findings.extend(picture::notices(ground.status));
    findings.extend(upstreams::findings(&ground.status.policy.upstreams).await);
    findings.extend(picture::targets(ground.status));
    findings.extend(containers::findings(ground).await);
    findings.extend(environment::findings(ground).await);
    findings.extend(shell_files::findings(ground));
    findings.extend(leftovers::findings(ground));
    Examination::of(findings)
}

#[cfg(test)]
mod tests;
