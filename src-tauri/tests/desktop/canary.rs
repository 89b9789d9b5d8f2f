//! A password that would be noticed anywhere, typed in the window.

use std::fs;
use std::path::Path;

use crate::desk::Desk;
use crate::window::Window;

const CANARY: &str = "canary-w5d81c07fe";
/// `ann:canary-w5d81c07fe` as Basic credentials carry it.
const ENCODED: &str = "YW5uOmNhbmFyeS13NWQ4MWMwN2Zl";

#[tokio::test]
async fn a_password_typed_in_the_window_is_found_nowhere_but_in_the_keychain() {
    let desk = Desk::new();
    let log = desk.session.root().join("app.log");
    let mut driver = Window::driver(&desk, "en");
    driver
        .env("GANGWAY_LOG", "trace")
        .stderr(fs::File::create(&log).unwrap());
    let window = Window::open_by(driver).await;
    desk.status_when(|status| status.on).await;
    window.click("nav button:nth-child(2)").await;
    window.click("input[name=mode][value=manual]").await;
    window.fill("#upstream", &desk.upstream).await;
    window.fill("#user", "ann").await;
    window.fill("#password", CANARY).await;
    window.click("#save").await;
    window
        .says(&["Saved", "A password is kept in the keychain"])
        .await;
    desk.status_when(|status| {
        let upstreams = status.engine.upstreams.iter();
        let lent = proxy_mirror::control::CredentialsState::Lent;
        upstreams.map(|view| view.credentials).eq([lent])
    })
    .await;
    let sent = format!("Basic {ENCODED}");
    desk.wants(&sent);
    let heads = desk.heads_after_a_request();
    assert!(heads.iter().any(|head| head.contains(&sent)), "{heads:?}");

    let found = places(desk.session.root());
    assert!(found.is_empty(), "{found:?}");
    // The search does find what is there to be found.
    let planted = desk.session.home().join("planted");
    fs::write(&planted, CANARY).unwrap();
    let mut child = desk.command("sleep");
    child.arg("60").env("PLANTED", ENCODED);
    let child = testbed::Child::spawn(child).unwrap();
    let found = places(desk.session.root());
    for place in [
        planted.display().to_string(),
        format!("/proc/{}/environ", child.pid()),
    ] {
        assert!(found.contains(&place), "{place} not in {found:?}");
    }
    window.close().await;
}

/// Where the password, or what Basic makes of it, is seen but in the keychain: in the session's
/// files, its log among them, and in any process' arguments and environment.
fn places(session: &Path) -> Vec<String> {
    let mut places = Vec::new();
    let mut look = |path: &Path| {
        // What went away meanwhile holds nothing.
        let bytes = fs::read(path).unwrap_or_default();
        let holds = |word: &str| {
            bytes
                .windows(word.len())
                .any(|some| some == word.as_bytes())
        };
        if holds(CANARY) || holds(ENCODED) {
            places.push(path.display().to_string());
        }
    };
    files(session, &mut look);
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let name = process.file_name().into_encoded_bytes();
        if name.iter().all(u8::is_ascii_digit) {
            look(&process.path().join("cmdline"));
            look(&process.path().join("environ"));
        }
    }
    places
}

fn files(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "keyrings" {
            files(&entry.path(), look);
        } else if kind.is_file() {
            look(&entry.path());
        }
    }
}
