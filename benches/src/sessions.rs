//! What is done with one way in one round.

use std::time::Duration;

use crate::error::{BenchError, Result};
use crate::load::{bulk, connections, held, latency, requests};
use crate::measure::{Figures, Measure};
use crate::process::Process;
use crate::rig::Rig;
use crate::way::{Style, Way};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Each load that runs for a time.
    pub(crate) time: Duration,
    /// Connections one at a time.
    pub(crate) singles: usize,
    /// Tunnels that are held.
    pub(crate) tunnels: usize,
}

/// New connections, first byte and bulk of intercepted traffic.
pub(crate) fn transparent(way: Way, extent: Extent, figures: &mut Figures) -> Result<()> {
    let rig = Rig::open(way, Style::Transparent)?;
    let wait = rig.load(|client| latency::first_byte(client, extent.singles))?;
    figures.add(Measure::FirstByte, way, wait);
    let wait = rig.load(|client| latency::exchange(client, extent.singles))?;
    figures.add(Measure::Exchange, way, wait);
    let (new, cpu) = with_cpu(&rig, || {
        rig.load(|client| connections::run(client, extent.time))
    })?;
    figures.add(Measure::NewTls, way, new.rate());
    if let Some(cpu) = cpu {
        figures.add(Measure::NewTlsCpu, way, cpu / new.count() * 1e3);
    }
    let (bulk, cpu) = with_cpu(&rig, || rig.load(|client| bulk::run(client, extent.time)))?;
    figures.add(Measure::Bulk, way, bulk.rate);
    if let Some(cpu) = cpu {
        figures.add(Measure::BulkCpu, way, cpu / bulk.all);
    }
    Ok(())
}

/// Memory of a relay that has just been started, and with idle tunnels.
pub(crate) fn memory(way: Way, extent: Extent, figures: &mut Figures) -> Result<()> {
    let rig = Rig::open(way, Style::Transparent)?;
    let Some(process) = rig.process() else {
        return Ok(());
    };
    let before = process.proportional_at_rest()?;
    let at_rest = process.resident()?;
    figures.add(Measure::AtRest, way, at_rest / f64::from(1 << 20));
    let after =
        rig.load(|client| held::hold(client, extent.tunnels, || process.proportional_at_rest()))?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let tunnels = extent.tunnels as f64;
    figures.add(Measure::IdleTunnel, way, (after - before) / tunnels);
    Ok(())
}

/// Requests and tunnels of clients that know their proxy.
pub(crate) fn explicit(way: Way, extent: Extent, figures: &mut Figures) -> Result<()> {
    let rig = Rig::open(way, Style::Explicit)?;
    let (asked, cpu) = with_cpu(&rig, || {
        rig.load(|client| requests::run(client, extent.time))
    })?;
    figures.add(Measure::Requests, way, asked.rate());
    if let Some(cpu) = cpu {
        figures.add(Measure::RequestsCpu, way, cpu / asked.count() * 1e3);
    }
    let (new, cpu) = with_cpu(&rig, || {
        rig.load(|client| connections::run(client, extent.time))
    })?;
    figures.add(Measure::Tunnels, way, new.rate());
    if let Some(cpu) = cpu {
        figures.add(Measure::TunnelsCpu, way, cpu / new.count() * 1e3);
    }
    Ok(())
}

/// Processor seconds that the relay spent meanwhile; `None` without a relay.
fn with_cpu<T>(rig: &Rig, work: impl FnOnce() -> Result<T>) -> Result<(T, Option<f64>)> {
    let spent = || {
        let process = rig.process();
        process.map(Process::cpu_seconds).transpose()
    };
    let before = spent()?;
    let done = work()?;
    let after = spent()?;
    let cpu = after.zip(before).map(|(after, before)| after - before);
    match cpu {
        // A relay that spends nothing has carried nothing.
        Some(cpu) if cpu <= 0.0 => Err(BenchError::Unexpected(format!(
            "the relay of {rig:?} did nothing"
        ))),
        _ => Ok((done, cpu)),
    }
}
