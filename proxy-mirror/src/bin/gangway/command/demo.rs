//! `gangway demo`, and the processes it starts.

use proxy_mirror::control::Problem;

use crate::demo::{self, DemoError, Role};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Tells the story; fails when it did not go as it should.
pub(crate) async fn demo(output: Output) -> Result<Exit, Failure> {
    let shown = demo::tell(output).await.map_err(|error| problem(&error))?;
    output.json(&shown);
    Ok(if shown.ok { Exit::Ok } else { Exit::Failed })
}

/// Is one process of the story; what it says is read by the one that started it.
pub(crate) async fn role(role: Role) -> Result<Exit, Failure> {
    match demo::run_role(role).await {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => {
            eprintln!("{error}");
            Ok(Exit::Failed)
        }
    }
}

fn problem(error: &DemoError) -> Problem {
    let code = match error {
        DemoError::NotRoot => "demo_needs_root",
        _ => "demo_failed",
    };
    Problem::new(code, error.to_string()).with("reason", error)
}
