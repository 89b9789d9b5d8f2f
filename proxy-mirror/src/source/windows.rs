//! Windows's own settings, as its registry holds them.
//!
//! Everything here is pure: a [`Registry`] is what was read from one, live or from the text that
//! `reg export` writes, and [`settings`] says what it means. The live reading of the registry comes
//! with the Windows build; until then [`super::System`] asks there what `proxy-watch` reads. The
//! policies of browsers are read from a registry by [`super::Chromium::read_under`] and
//! [`super::Firefox::read_under`].
//!
//! Three stores are asked in this order, and the first that says something is followed:
//!
//! 1. the machine's WinINET settings where an administrator made them everybody's
//!    (`ProxySettingsPerUser` is 0), else the user's: for the dial-up or VPN connection that is up
//!    the value of its name below `Connections`, else `DefaultConnectionSettings`, and beside that
//!    the plain values `ProxyEnable`, `ProxyServer`, `ProxyOverride`, `AutoConfigURL`;
//! 2. WinHTTP's (`netsh winhttp set proxy`, `set advproxy`), which services follow.
//!
//! "Automatically detect settings", a script and a proxy may be chosen together. Windows tries them
//! in this order, and so does what is read here ([`super::Reading::otherwise`]).

mod connection;
mod internet;
mod registry;

pub use internet::settings;
pub use registry::{Malformed, Registry, Value};

#[cfg(test)]
mod tests;
