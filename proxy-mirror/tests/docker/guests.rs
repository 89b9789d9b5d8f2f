//! Containers by their names, for as long as they live.

use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use proxy_engine::control::GuestNames;
use proxy_mirror::target::{Daemon, guests};

use super::Dockerd;

#[tokio::test]
async fn containers_are_known_by_their_addresses_from_start_to_end() {
    let dockerd = Dockerd::start(&[]);
    let daemon = Daemon::Socket(dockerd.socket());
    import_busybox(&dockerd);
    dockerd.docker(&["network", "create", "--subnet", "10.99.0.0/24", "shop"]);
    let mut seen = Box::pin(guests::watch(daemon));
    until(&mut seen, &[]).await;
    let run = [
        "run",
        "--detach",
        "--network",
        "shop",
        "--name",
        "web",
        "app",
    ];
    dockerd.docker(&[&run[..], &["/busybox", "sleep", "600"]].concat());
    until(&mut seen, &[("10.99.0.2", "web")]).await;
    // What came with the start is heard out, so that the rename alone is left to tell.
    let quiet = tokio::time::timeout(Duration::from_secs(2), seen.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    dockerd.docker(&["rename", "web", "shop-window"]);
    until(&mut seen, &[("10.99.0.2", "shop-window")]).await;
    dockerd.docker(&["network", "create", "--subnet", "10.98.0.0/24", "back"]);
    dockerd.docker(&["network", "connect", "back", "shop-window"]);
    until(
        &mut seen,
        &[("10.98.0.2", "shop-window"), ("10.99.0.2", "shop-window")],
    )
    .await;
    dockerd.docker(&["rm", "--force", "shop-window"]);
    until(&mut seen, &[]).await;
}

/// Waits until these are all the names.
async fn until(seen: &mut (impl Stream<Item = GuestNames> + Unpin), wanted: &[(&str, &str)]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(Some(names)) = tokio::time::timeout(left, seen.next()).await else {
            panic!("{wanted:?} never came; last: {last:?}");
        };
        last = names
            .iter()
            .map(|(ip, name)| (ip.to_string(), name.to_owned()))
            .collect();
        let same = |((ip, name), wanted): (&(String, String), &(&str, &str))| {
            (ip.as_str(), name.as_str()) == *wanted
        };
        if last.len() == wanted.len() && last.iter().zip(wanted).all(same) {
            return;
        }
    }
}

/// An image `app` of one static file, `/busybox`.
fn import_busybox(dockerd: &Dockerd) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("app.tar");
    let packed = std::process::Command::new("tar")
        .args(["-C", "/bin", "-cf"])
        .arg(&archive)
        .arg("busybox")
        .status()
        .expect("tar");
    assert!(packed.success(), "a static busybox must be installed");
    dockerd.docker(&["import", archive.to_str().unwrap(), "app"]);
}
