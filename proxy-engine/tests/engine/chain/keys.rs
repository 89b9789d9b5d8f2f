//! Keys that are exchanged while both engines run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{deciding_with, first_with, last_error, line};
use crate::client::{Client, get};
use crate::peer::Peer;
use crate::through;

/// Puts the key of `byte` into the place of the one before, at once.
fn put(path: &Path, byte: u8) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, line(byte)).expect("written");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&fresh, private).expect("mode");
    std::fs::rename(&fresh, path).expect("renamed");
}

#[tokio::test]
async fn a_key_that_is_exchanged_or_taken_away_counts_from_the_next_connection_on() {
    let folder = tempfile::tempdir().expect("folder");
    let (own, known) = (folder.path().join("own"), folder.path().join("known"));
    put(&own, 7);
    put(&known, 7);
    let upstream = Peer::named("upstream").await;
    let at = "127.0.0.1:0".parse().expect("an address");
    let (_second, chained) = deciding_with(at, known.clone(), through(&[upstream.url()])).await;
    let (first, relay) = first_with(chained, own.clone()).await;
    let ask = async || {
        Client::connect(relay)
            .await
            .ask(get("http://a.test/"))
            .await
    };
    assert_eq!(ask().await.body, "upstream");

    put(&known, 8);
    assert_eq!(ask().await.status(), 502);
    assert_eq!(last_error(&first).as_deref(), Some("engine_refused"));
    put(&own, 8);
    assert_eq!(ask().await.body, "upstream");
    assert_eq!(last_error(&first), None);

    std::fs::remove_file(&own).expect("removed");
    let refused = ask().await;
    assert_eq!(refused.status(), 502);
    assert!(
        refused.body.contains(own.to_str().expect("a path")),
        "{}",
        refused.body
    );
    assert_eq!(last_error(&first).as_deref(), Some("chain_key"));
    put(&own, 8);
    assert_eq!(ask().await.body, "upstream");
    std::fs::remove_file(&known).expect("removed");
    assert_eq!(ask().await.status(), 502, "nobody has a key there any more");
}
