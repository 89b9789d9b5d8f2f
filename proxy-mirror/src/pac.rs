//! PAC scripts: fetched without any proxy, kept, and fetched again.
//!
//! The script goes to the engine inside the policy: the engine needs no network for it, and the last
//! good one outlives a server that is gone.

mod address;
mod fetch;
mod keeper;

pub use address::{Address, AddressError, DETECTED, inline_address, shown};
pub use fetch::FetchError;
pub use keeper::{Keeper, Kept};
