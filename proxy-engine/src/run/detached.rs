//! `proxy-engine take-over --detach`: a new engine that outlives who started it.
//!
//! systemd accepts no process as a service's new main one that is itself the command of its
//! `ExecReload=`: so that command starts the engine, and ends once that serves.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use proxy_engine::config::RunFlags;
use proxy_engine::control::client::Client;
use tokio::process::Command;

use super::RunError;

/// The flag that the new engine is not given.
const DETACH: &str = "--detach";

/// The new engine is asked this often whether it serves. Each of its steps has a deadline of its
/// own: it serves in the end, or ends.
const LOOK: Duration = Duration::from_millis(20);

/// Starts the new engine as a process of its own, with the flags of this one, and returns once it
/// serves.
///
/// # Errors
/// [`RunError::WhosePlace`]; [`RunError::Detached`]: the engine that runs goes on.
pub(crate) fn begin(flags: RunFlags) -> Result<(), RunError> {
    let control = flags.resolve()?.control.ok_or(RunError::WhosePlace)?;
    let arguments = std::env::args_os().skip(1);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(arguments.filter(|argument| argument != OsStr::new(DETACH)))
        .stdin(Stdio::null())
        // Ctrl-C in the terminal of this command is not meant for it.
        .process_group(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut engine = command.spawn()?;
        let (client, pid) = (Client::new(control), engine.id());
        loop {
            tokio::select! {
                ended = engine.wait() => return Err(RunError::Detached(ended?)),
                () = tokio::time::sleep(LOOK) => {}
            }
            // The old engine may answer still, or nobody.
            let answer = client.status().await;
            if answer.is_ok_and(|status| Some(status.pid) == pid) {
                return Ok(());
            }
        }
    })
}
