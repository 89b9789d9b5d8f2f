//! The hidden `gangway helper`: the privileged side of a change.

use std::io;

use proxy_mirror::change::helper as privileged;

use crate::exit::{Exit, Failure};

/// Carries out the errands on standard input, and answers on standard output.
pub(super) fn helper() -> Result<Exit, Failure> {
    privileged::main(io::stdin().lock(), io::stdout().lock())?;
    Ok(Exit::Ok)
}
