//! The keychain: gnome-keyring's Secret Service, unlocked with an empty password.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use super::Session;
use crate::child::{Child, output};
use crate::net::require;
use crate::{Result, TestbedError, wait_for};

/// Starts it on the session's bus and waits until it owns its name there.
pub(super) fn unlock(session: &Session) -> Result<Child> {
    require("gnome-keyring-daemon", "gnome-keyring")?;
    require("dbus-send", "dbus-bin")?;
    let mut command = session.command("gnome-keyring-daemon");
    command.args(["--foreground", "--unlock", "--components=secrets"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut daemon = Child::spawn(command)?;
    if let Some(mut password) = daemon.stdin() {
        // An empty line is an empty password; no line at all would unlock nothing.
        password
            .write_all(b"\n")
            .map_err(TestbedError::io("unlock the keychain"))?;
    }
    wait_for(
        "the keychain is on the session bus",
        Duration::from_secs(20),
        || {
            let mut ask = session.command("dbus-send");
            ask.args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.secrets",
            ]);
            ask.args([
                "/org/freedesktop/secrets",
                "org.freedesktop.Secret.Service.ReadAlias",
            ]);
            ask.arg("string:default");
            let answer = output(ask).ok()?;
            // `/` is the answer as long as there is no default collection to store in.
            let text = String::from_utf8_lossy(&answer.stdout).into_owned();
            (answer.status.success() && text.contains("/org/freedesktop/secrets/collection/"))
                .then_some(())
        },
    )?;
    Ok(daemon)
}
