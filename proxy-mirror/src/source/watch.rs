//! Notice that a source may read differently now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::Source;

/// Changes that follow each other within this time are one.
const COALESCE: Duration = Duration::from_millis(200);

/// Where nothing tells of changes (a network file system, a desktop without signals), they are
/// looked for this often.
const POLL: Duration = Duration::from_secs(15);

/// Yields whenever a source should be read again: a watched file, or the desktop's settings, may
/// have changed. Ends when dropped. A missed signal is made up for after 15 seconds.
pub fn watch(sources: &[Box<dyn Source>]) -> impl Stream<Item = ()> + Send + use<> {
    let files: Vec<PathBuf> = sources.iter().flat_map(|source| source.watched()).collect();
    // One waiting signal says all that a second could.
    let (changed, changes) = mpsc::channel(1);
    let desktop = AbortOnDrop(tokio::spawn(watch_desktop(changed.clone())));
    let state = Watching {
        changes,
        files: Files::watch(files, changed),
        _desktop: desktop,
    };
    stream::unfold(state, |mut state| async move {
        match tokio::time::timeout(POLL, state.changes.recv()).await {
            Ok(Some(())) => tokio::time::sleep(COALESCE).await,
            Ok(None) => return None,
            Err(_elapsed) => {}
        }
        // A folder may have come that was missed before, or gone and come again.
        state.files.follow();
        while state.changes.try_recv().is_ok() {}
        Some(((), state))
    })
}

struct Watching {
    changes: mpsc::Receiver<()>,
    files: Files,
    _desktop: AbortOnDrop,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The files, and the folders that stand for them: programs replace their files by renaming, so
/// only the folder sees it. Where a folder does not exist its nearest ancestor is watched.
struct Files {
    files: Vec<PathBuf>,
    watcher: Option<notify::RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Files {
    fn watch(files: Vec<PathBuf>, changed: mpsc::Sender<()>) -> Self {
        let wanted = files.clone();
        let told = move |event: notify::Result<notify::Event>| {
            let ours = match &event {
                Ok(event) if event.kind.is_access() => false,
                Ok(event) => {
                    event.paths.is_empty()
                        || event
                            .paths
                            .iter()
                            .any(|path| wanted.iter().any(|file| file.starts_with(path)))
                }
                // An overflow, or a folder that is gone: read again.
                Err(_) => true,
            };
            if ours {
                // Full: a signal is waiting already.
                let _ = changed.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(told)
            .inspect_err(|error| tracing::warn!(%error, "files are polled, not watched"))
            .ok();
        let mut this = Self {
            files,
            watcher,
            folders: BTreeSet::new(),
        };
        this.follow();
        this
    }

    /// Watches the folders that exist now.
    fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let now: BTreeSet<PathBuf> = self
            .files
            .iter()
            .filter_map(|file| nearest_folder(file))
            .collect();
        for gone in self.folders.difference(&now) {
            // The kernel has dropped the watch already where the folder is gone.
            let _ = watcher.unwatch(gone);
        }
        // Asked again for every folder: one that was removed and made again has lost its watch.
        self.folders = now
            .into_iter()
            .filter(|folder| {
                watcher
                    .watch(folder, RecursiveMode::NonRecursive)
                    .inspect_err(|error| tracing::debug!(%error, "a folder is not watched"))
                    .is_ok()
            })
            .collect();
    }
}

fn nearest_folder(file: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .find(|folder| folder.is_dir())
        .map(Path::to_owned)
}

/// Passes on what the desktop tells; where it tells nothing there is nothing to do but poll.
async fn watch_desktop(changed: mpsc::Sender<()>) {
    let options = proxy_watch::WatchOptions::new().with_poll_interval(Some(POLL));
    let started =
        tokio::task::spawn_blocking(|| proxy_watch::ProxyWatcher::with_options(options)).await;
    let mut watcher = match started {
        Ok(Ok(watcher)) => watcher,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the desktop's proxy settings are not watched");
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "the desktop's proxy settings are not watched");
            return;
        }
    };
    while watcher.next().await.is_some() {
        // Full: a signal is waiting already.
        let _ = changed.try_send(());
    }
}
