//! Two streams, bytes, until both directions have ended.

mod copy;

pub use copy::{IDLE, relay, reset};
