//! The process that runs a script: with no privilege, no file, no socket but the one to its parent,
//! and no time beyond what it is given.
//!
//! It is this program again (`/proc/self/exe`), with one argument that [`serve_if_asked`] recognises
//! before anything else happens in `main`. It shuts itself in before it reads the first byte of the
//! script, tries whether that holds, and only then says so. It keeps no secret and makes no decision:
//! it answers `FindProxyForURL(url, host)` for names that its parent has looked up.

mod message;

#[cfg(target_os = "linux")]
mod functions;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod javascript;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod soon;

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub use inside::serve_if_asked;
#[cfg(not(target_os = "linux"))]
pub use other::serve_if_asked;

pub(super) use message::{Ask, Outcome, Wants};
#[cfg(not(target_os = "linux"))]
pub(super) use other::Worker;
#[cfg(target_os = "linux")]
pub(super) use process::Worker;

/// What makes this program a worker, as its only argument.
#[cfg(target_os = "linux")]
const ARGUMENT: &str = "pac-worker";

/// Which program runs scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Program {
    /// This one: its `main` begins with [`serve_if_asked`].
    #[default]
    This,
    /// One whose `main` does.
    At(PathBuf),
}

/// Why there is no worker, or none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WorkerError {
    /// The script is no program.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "there is no worker that could read one")
    )]
    Script(String),
    /// Everything else.
    Process(String),
}
