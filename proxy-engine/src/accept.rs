//! A socket comes in: what did the client ask for?

mod admission;
mod explicit;
mod holder;
pub mod interfaces;
pub mod inward;
mod listener;
mod transparent;

pub use explicit::explicit;
pub use listener::{ListenError, Listener};
pub use transparent::transparent;
