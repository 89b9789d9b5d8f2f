//! Who is connected: the connection table, counters, events.

mod changes;
mod flood;
mod metrics;
mod table;
mod upstreams;

pub use changes::Changes;
pub use flood::FloodGate;
pub use metrics::Metrics;
pub use table::{ConnectionTable, Record};
pub use upstreams::UpstreamHealth;
