//! What a user's session keeps, read from the real programs: GNOME's and KDE's settings, the
//! keychain. Each test makes a session of its own and runs itself again inside it.

#[path = "session/desktop.rs"]
mod desktop;
#[path = "session/inside.rs"]
mod inside;
#[path = "session/keychain.rs"]
mod keychain;
