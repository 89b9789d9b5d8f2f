//! A test that runs itself again where the environment is another: a process cannot change its own
//! while threads may read it.

use std::process::Command;

use testbed::session::Session;

const INSIDE: &str = "GANGWAY_TEST_INSIDE";

/// Outside, prepares a session with `prepare`, runs the test `name` again inside it, and answers
/// `false`; inside, answers `true`. Fails as the test inside fails.
pub(crate) fn inside(
    name: &str,
    session: impl FnOnce() -> Session,
    prepare: impl FnOnce(&mut Command),
) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let session = session();
    let this = std::env::current_exe().expect("a running test has a file");
    let mut again = session.command(this);
    again
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1");
    prepare(&mut again);
    let output = again.output().expect("a test can be started");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && shown.contains("1 passed"),
        "{shown}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// A session with a bus and a keychain.
pub(crate) fn with_bus() -> Session {
    Session::with_keyring().expect("dbus-daemon and gnome-keyring are installed")
}

/// A session as on a server.
pub(crate) fn headless() -> Session {
    Session::headless().expect("folders can be made")
}
