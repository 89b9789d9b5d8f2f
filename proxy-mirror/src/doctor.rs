//! Checks that say which value is in force at each layer, and why.

mod explain;

pub use explain::{ExplainError, explain};
