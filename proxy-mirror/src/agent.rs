//! The loop: watch, decide, apply, verify.

pub mod instance;
