//! Promises of what touches the disk: a plan, its journal, and the way back.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod crash;
mod failing;
mod identity;
mod journal;
mod killed;
mod plan;
mod refused;
mod restart;
mod sandbox;
mod undo;
