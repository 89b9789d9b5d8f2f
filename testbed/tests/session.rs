//! A user's session keeps its promises.

use std::time::Duration;

use testbed::{Session, wait_for};

#[test]
fn a_session_has_a_display_and_a_keychain_that_stores() {
    let session = Session::with_display().unwrap();
    let mut picture = session.command("import");
    let file = session.root().join("screen.png");
    assert!(
        picture
            .args(["-window", "root"])
            .arg(&file)
            .status()
            .unwrap()
            .success()
    );
    assert!(file.exists());
    let mut default = session.command("dbus-send");
    default.args([
        "--session",
        "--print-reply",
        "--dest=org.freedesktop.secrets",
    ]);
    default.args(["/org/freedesktop/secrets/aliases/default"]);
    default.args(["org.freedesktop.DBus.Properties.Get"]);
    default.args(["string:org.freedesktop.Secret.Collection", "string:Locked"]);
    let answer = default.output().unwrap();
    assert!(
        String::from_utf8(answer.stdout)
            .unwrap()
            .contains("boolean false")
    );
}

#[test]
fn nothing_of_a_dropped_session_is_left() {
    let session = Session::with_keyring().unwrap();
    let root = session.root().to_owned();
    let address = session.bus_address().unwrap().to_owned();
    assert!(address.contains(root.to_str().unwrap()));
    // A program whose parent is gone, as a desktop's helpers are: nobody holds a handle of it.
    let mut start = session.command("sh");
    start.args(["-c", "sleep 60 <&- >&- 2>&- &"]);
    assert!(start.status().unwrap().success());
    drop(session);
    assert!(!root.exists());
    let own = format!("XDG_RUNTIME_DIR={}", root.join("run").display());
    let left = || {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter(|entry| {
            // Not a process, or gone by now.
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(&own)
        })
        .count()
    };
    let none = || (left() == 0).then_some(());
    wait_for("the session's programs end", Duration::from_secs(2), none).unwrap();
}
