//! The data plane: one connection's way from a client to where it was going.
//!
//! A socket comes in ([`accept`]), its first bytes tell a name ([`sniff`]), the policy answers with
//! a route ([`route`]), perhaps by asking a script ([`pac`]), the route becomes a connected stream ([`dial`]), and bytes flow until both
//! directions have ended ([`relay`]). [`intercept`] brings traffic here that ignores proxy
//! settings; [`observe`] remembers who is connected; [`control`] is the local API over all of it.
//!
//! The engine knows nothing of Docker and nothing of windows.

pub mod accept;
pub mod chain;
pub mod config;
pub mod control;
#[cfg(unix)]
pub mod descriptor;
pub mod dial;
pub mod engine;
pub mod http;
pub mod intercept;
pub mod memory;
pub mod observe;
pub mod pac;
pub mod relay;
pub mod route;
pub mod sniff;
#[cfg(target_os = "linux")]
pub mod systemd;
