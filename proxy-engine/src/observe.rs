//! Who is connected: the connection table, counters, events.

mod changes;
mod flood;
mod guests;
mod live;
mod metrics;
mod network;
mod row;
mod seek;
mod table;
mod upstreams;

pub use changes::Changes;
pub use flood::FloodGate;
pub use guests::GuestTable;
pub use live::{Follower, Live, TooManyFollowers};
pub use metrics::Metrics;
pub use network::Network;
pub use table::{ConnectionTable, Record};
pub use upstreams::UpstreamHealth;
