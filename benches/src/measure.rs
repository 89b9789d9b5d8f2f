//! What is measured, and the figures.

use std::collections::BTreeMap;

use crate::statistics::{median, spread};
use crate::way::Way;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    NewTls,
    NewTlsCpu,
    FirstByte,
    Exchange,
    Bulk,
    BulkCpu,
    IdleTunnel,
    AtRest,
    Requests,
    RequestsCpu,
    Tunnels,
    TunnelsCpu,
}

impl Measure {
    pub(crate) const ALL: [Self; 12] = [
        Self::NewTls,
        Self::NewTlsCpu,
        Self::FirstByte,
        Self::Exchange,
        Self::Bulk,
        Self::BulkCpu,
        Self::IdleTunnel,
        Self::AtRest,
        Self::Requests,
        Self::RequestsCpu,
        Self::Tunnels,
        Self::TunnelsCpu,
    ];

    /// What it is, with its unit.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NewTls => "new TLS connections/s",
            Self::NewTlsCpu => "relay's CPU seconds per 1,000 of them",
            Self::FirstByte => "first byte of a new connection, one at a time, p50 (µs)",
            Self::Exchange => "one exchange on a connection that stands, p50 (µs)",
            Self::Bulk => "bulk through one connection (Gbit/s)",
            Self::BulkCpu => "relay's CPU seconds per Gbit of it",
            Self::IdleTunnel => "resident memory per idle tunnel (bytes)",
            Self::AtRest => "resident memory at rest (MiB)",
            Self::Requests => "explicit: plain-HTTP requests/s, 32 clients",
            Self::RequestsCpu => "relay's CPU seconds per 1,000 requests",
            Self::Tunnels => "explicit: new CONNECT tunnels/s",
            Self::TunnelsCpu => "relay's CPU seconds per 1,000 tunnels",
        }
    }

    /// Of clients that know their proxy, or of intercepted ones.
    pub(crate) fn is_explicit(self) -> bool {
        matches!(
            self,
            Self::Requests | Self::RequestsCpu | Self::Tunnels | Self::TunnelsCpu
        )
    }

    /// Digits after the point that say something.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::NewTls | Self::FirstByte | Self::IdleTunnel | Self::Requests | Self::Tunnels => 0,
            Self::Exchange | Self::AtRest => 1,
            Self::Bulk => 2,
            Self::NewTlsCpu | Self::BulkCpu | Self::RequestsCpu | Self::TunnelsCpu => 4,
        }
    }
}

/// All figures: one a round for each measure and way.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(Measure, Way), Vec<f64>>);

impl Figures {
    pub(crate) fn add(&mut self, measure: Measure, way: Way, value: f64) {
        self.0.entry((measure, way)).or_default().push(value);
    }

    /// The median of the rounds; `None` where this was not measured.
    pub(crate) fn median(&self, measure: Measure, way: Way) -> Option<f64> {
        self.0.get(&(measure, way)).map(|rounds| median(rounds))
    }

    /// `median (lowest–highest)`, or a dash.
    pub(crate) fn cell(&self, measure: Measure, way: Way) -> String {
        let digits = measure.digits();
        self.0.get(&(measure, way)).map_or("–".into(), |rounds| {
            let (low, high) = spread(rounds);
            let middle = median(rounds);
            format!("**{middle:.digits$}** ({low:.digits$}–{high:.digits$})")
        })
    }
}
