//! What the engine is told: the configuration at its start, and the policy that is swapped live.

mod bypass;
mod policy;
mod ports;
mod upstream;

pub use bypass::{Bypass, BypassError, BypassRule};
pub use policy::{DefaultRoute, Interception, Policy};
pub use ports::{Ports, PortsError};
pub use upstream::{Scheme, Upstream, UpstreamError};
