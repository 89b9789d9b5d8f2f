//! Two streams, bytes, until both directions have ended.
//!
//! A tunnel that is silent holds no memory for bytes. What arrives is copied through a buffer of
//! the thread; a direction that proves to be bulk goes through a pipe instead (splice(2)), so that
//! its bytes never come up to us.

mod copy;
mod direction;
mod idle;
#[cfg(target_os = "linux")]
mod splice;
#[cfg(not(target_os = "linux"))]
#[path = "relay/no_splice.rs"]
mod splice;
mod stream;
mod tunnel;
mod wrapped;

pub use idle::IdleLimit;
pub use stream::{ReadHalf, Shared, Stream, WriteHalf, halves};
pub use tunnel::{Pair, Tunnel, reset};
