use std::fs;
use std::pin::pin;
use std::time::Instant;

use super::*;
use crate::source::{Firefox, Manual};

/// Waits for a change; it must come well before the poll.
async fn next(changes: &mut (impl Stream<Item = ()> + Unpin)) {
    tokio::time::timeout(Duration::from_secs(8), changes.next())
        .await
        .expect("a change is told long before the poll")
        .expect("the stream goes on");
}

#[tokio::test]
async fn a_settings_file_that_appears_and_is_replaced_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("gangway/settings.toml");
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Manual::new(&file))];
    let mut changes = pin!(watch(&sources));
    // Not even its folder is there yet.
    fs::create_dir(file.parent().unwrap()).unwrap();
    next(&mut changes).await;
    for mode in ["off", "system"] {
        let from = Instant::now();
        let new = file.with_extension("new");
        fs::write(&new, format!("mode = \"{mode}\"\n")).unwrap();
        fs::rename(&new, &file).unwrap();
        next(&mut changes).await;
        assert!(
            from.elapsed() < Duration::from_secs(1),
            "{:?}",
            from.elapsed()
        );
    }
}

#[tokio::test]
async fn a_first_firefox_profile_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join(".mozilla/firefox");
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Firefox::at(vec![root.clone()], Vec::new()))];
    let mut changes = pin!(watch(&sources));
    fs::create_dir_all(root.join("p")).unwrap();
    next(&mut changes).await;
    fs::write(
        root.join("profiles.ini"),
        "[Profile0]\nPath=p\nIsRelative=1\n",
    )
    .unwrap();
    next(&mut changes).await;
    // The profile was not there when the watch began.
    fs::write(
        root.join("p/prefs.js"),
        "user_pref('network.proxy.type', 0);",
    )
    .unwrap();
    next(&mut changes).await;
}

#[tokio::test]
async fn what_happens_to_other_files_of_the_folder_is_not_told() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    let sources: Vec<Box<dyn Source>> = vec![Box::new(Manual::new(&file))];
    let mut changes = pin!(watch(&sources));
    fs::write(home.path().join("other.toml"), "").unwrap();
    fs::write(&file, "").unwrap();
    next(&mut changes).await;
    fs::write(home.path().join("other.toml"), "x").unwrap();
    let told = tokio::time::timeout(Duration::from_secs(1), changes.next()).await;
    assert!(told.is_err(), "a file that no source reads");
}

#[tokio::test]
async fn a_file_that_comes_into_a_folder_of_files_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/environment.d");
    fs::create_dir_all(&folder).unwrap();
    let places = crate::places::Places::from_vars(|name| {
        (name == "HOME").then(|| home.path().as_os_str().to_owned())
    });
    let files = crate::source::EnvironmentFiles::new(&places.unwrap());
    let sources: Vec<Box<dyn Source>> = vec![Box::new(files)];
    let mut changes = pin!(watch(&sources));
    for name in ["50-proxy.conf", "60-proxy.conf"] {
        fs::write(folder.join(name), "https_proxy=http://a:1\n").unwrap();
        next(&mut changes).await;
    }
}
