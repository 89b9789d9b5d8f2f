//! One look at every layer: what is in force there, where it came from, and what to do where it
//! disagrees.

mod containers;
mod environment;
mod leftovers;
mod names;
mod picture;
mod probe;
mod registry;
mod shell_files;
mod upstreams;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use proxy_engine::config::{Certificates, Upstream};

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
    /// By which upstreams may prove themselves beside what the system trusts.
    pub certificates: Option<&'a Certificates>,
}

impl Ground<'_> {
    /// The proxies that a layer may name and agree with the policy: the engine's addresses, what
    /// targets are told, and the upstreams.
    fn agreed(&self) -> Agreed {
        let status = self.status;
        let told = status
            .targets
            .iter()
            .filter_map(|target| target.desired.as_deref());
        let all = told
            .chain(status.engine.listening.iter().map(String::as_str))
            .chain(status.policy.upstreams.iter().map(String::as_str));
        Agreed(all.filter_map(authority).collect())
    }
}

/// `host:port` of each proxy that agrees with the policy.
#[derive(Clone)]
struct Agreed(BTreeSet<String>);

impl Agreed {
    /// What to show of a proxy that does not agree: `host:port`, or `?` where it cannot be told what
    /// of it is a password.
    fn other(&self, proxy: &str) -> Option<String> {
        match authority(proxy) {
            Some(authority) => (!self.0.contains(&authority)).then_some(authority),
            None => Some("?".to_owned()),
        }
    }
}

/// `host:port` of a proxy's URL, without user and password.
fn authority(proxy: &str) -> Option<String> {
    let (upstream, _password) = Upstream::parse_with_credentials(proxy).ok()?;
    Some(upstream.authority())
}

/// What can be read of a file; what cannot is nobody's setting.
fn read(path: &Path) -> Option<String> {
    // A pipe would be waited for as it is opened.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Looks at everything. Reads, asks, and changes nothing.
pub async fn examine(ground: &Ground<'_>) -> Examination {
    let mut findings = picture::sources(ground.status);
    findings.extend(picture::engine(ground.status));
    findings.extend(picture::notices(ground.status));
    findings.extend(upstreams::findings(ground).await);
    findings.extend(names::findings(ground).await);
    findings.extend(picture::targets(ground.status));
    findings.extend(registry::findings(ground).await);
    findings.extend(containers::findings(ground).await);
    findings.extend(environment::findings(ground).await);
    let (places, agreed) = (ground.places.clone(), ground.agreed());
    let of_files = tokio::task::spawn_blocking(move || {
        let mut findings = shell_files::findings(&places, &agreed);
        findings.extend(leftovers::findings(&places));
        findings
    });
    match of_files.await {
        Ok(of_files) => findings.extend(of_files),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
    Examination::of(findings)
}

#[cfg(test)]
mod tests;
