//! The hidden `gangway helper`: the privileged side of a change.

use std::io;
use std::path::Path;

use proxy_mirror::change::helper as privileged;

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words::Words;

/// Carries out the errands on standard input, and answers on standard output; or those in `file`,
/// for a person.
pub(super) fn helper(file: Option<&Path>, output: Output, words: Words) -> Result<Exit, Failure> {
    match file {
        None => privileged::main(io::stdin().lock(), io::stdout().lock())?,
        Some(file) => {
            let undone = privileged::carry_out_file(file).map_err(|error| error.problem())?;
            output.json(&undone.unwrap_or_default());
            output.line(&words.text("cli_helper_done"));
        }
    }
    Ok(Exit::Ok)
}
