//! The real app in a user's session of the test's own: a real X server, session bus, agent, window.

mod desk;
mod tray;
mod window;
