//! Checks that say which value is in force at each layer, and why.

mod examine;
mod explain;
mod given;
mod try_out;

pub use examine::{Ground, examine};
pub use explain::{ExplainError, ask_script, asked, explain};
pub use given::{Given, GivenError};
pub use try_out::try_out;
