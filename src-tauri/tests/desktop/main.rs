//! The real app in a user's session of the test's own: a real X server, session bus, agent, window.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod canary;
mod desk;
mod tray;
mod window;
mod workstation;
