//! The broker: the only part that holds privilege, and one that understands no stranger's bytes.
//! Of what comes from the network it is handed opening segments alone, to send them on: it looks at
//! their lengths and sums them up.
//!
//! It holds the firewall's table and opens listening sockets for an engine that has no capability
//! at all. They speak over a Unix socket of whole messages (`SOCK_SEQPACKET`), in JSON; sockets go
//! as descriptors (`SCM_RIGHTS`). The kernel tells who connects: only the engine's user and root
//! may. One engine is served at a time. Each value is checked again here, however the engine
//! checked it.

#[cfg(target_os = "linux")]
mod activation;
#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod engine_user;
#[cfg(target_os = "linux")]
mod packet;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod signals;

#[cfg(target_os = "linux")]
pub(super) use client::BrokerClient;

use std::io;
use std::path::PathBuf;

use super::InterceptError;

/// What the broker is told at its start.
#[derive(Debug, Clone)]
pub struct BrokerOptions {
    /// Where it listens. A socket that systemd passes (`LISTEN_FDS`) is taken instead.
    pub socket: PathBuf,
    /// Who may connect, beside root.
    pub engine: EngineUser,
    /// What becomes of the rules when the engine is gone.
    pub on_loss: OnLoss,
}

/// The user as whom the engine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineUser {
    /// By name, looked up in `/etc/passwd`. The socket is given to the user's group.
    Name(String),
    /// By number. Where this is not root, the socket is given to the group of that number.
    Uid(u32),
}

/// What becomes of the rules when the engine is gone for two seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnLoss {
    /// They are withdrawn: traffic flows as if nothing were installed.
    #[default]
    Release,
    /// They stay: what they cover is refused until the engine is back.
    Hold,
}

/// Why the broker ended or never began.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Interception cannot be had here.
    #[error(transparent)]
    Intercept(#[from] InterceptError),
    /// No such user.
    #[error("there is no user `{0}` in /etc/passwd: create it, or pass --engine-uid")]
    NoUser(String),
    /// Another broker serves this socket.
    #[error("another broker serves {}: stop it first", .0.display())]
    Running(PathBuf),
    /// The socket could not be made.
    #[error("cannot listen at {}: {source}", path.display())]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused something else.
    #[error("{what} failed: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Serves engines until SIGTERM or SIGINT, which withdraw the rules and end it well.
///
/// Call it before any thread is started: those two signals must be blocked in all of them.
///
/// # Errors
/// See [`BrokerError`].
#[cfg(target_os = "linux")]
pub fn serve(options: &BrokerOptions) -> Result<(), BrokerError> {
    server::serve(options)
}

/// There is no interception on this system.
///
/// # Errors
/// [`InterceptError::Unsupported`].
#[cfg(not(target_os = "linux"))]
pub fn serve(_options: &BrokerOptions) -> Result<(), BrokerError> {
    Err(InterceptError::Unsupported.into())
}
