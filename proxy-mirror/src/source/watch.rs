//! Notice that a source may read differently now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::Source;

/// A file is rarely changed by one event: those that follow each other within this time are one.
const COALESCE: Duration = Duration::from_millis(50);

/// Where nothing tells of changes (a network file system, a desktop without signals), they are
/// looked for this often.
const POLL: Duration = Duration::from_secs(15);

/// Yields whenever a source should be read again: a watched file, or the desktop's settings, may
/// have changed. Ends when dropped. A missed signal is made up for after 15 seconds.
pub fn watch(sources: &[Box<dyn Source>]) -> impl Stream<Item = ()> + Send {
    // One waiting signal says all that a second could.
    let (changed, signals) = mpsc::channel(1);
    let desktop = AbortOnDrop(tokio::spawn(watch_desktop(changed.clone())));
    let state = Watching {
        signals,
        files: Files::watch(sources, changed),
        _desktop: desktop,
    };
    stream::unfold(state, |mut state| async move {
        match tokio::time::timeout(POLL, state.signals.recv()).await {
            Ok(Some(())) => tokio::time::sleep(COALESCE).await,
            Ok(None) => return None,
            Err(_elapsed) => {}
        }
        // A folder may have come that was missed before, or gone and come again.
        state.files.follow();
        while state.signals.try_recv().is_ok() {}
        Some(((), state))
    })
}

struct Watching<'a> {
    signals: mpsc::Receiver<()>,
    files: Files<'a>,
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
///
/// Which files those are is asked anew each time: a profile may be there that was not before.
struct Files<'a> {
    sources: &'a [Box<dyn Source>],
    wanted: Arc<Mutex<Vec<PathBuf>>>,
    watcher: Option<notify::RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl<'a> Files<'a> {
    fn watch(sources: &'a [Box<dyn Source>], changed: mpsc::Sender<()>) -> Self {
        let wanted = Arc::new(Mutex::new(Vec::new()));
        let told = {
            let wanted = Arc::clone(&wanted);
            move |event: notify::Result<notify::Event>| {
                if concerns(
                    &event,
                    &wanted.lock().unwrap_or_else(PoisonError::into_inner),
                ) {
                    // Full: a signal is waiting already.
                    let _ = changed.try_send(());
                }
            }
        };
        let watcher = notify::recommended_watcher(told)
            .inspect_err(|error| tracing::warn!(%error, "files are polled, not watched"))
            .ok();
        let mut this = Self {
            sources,
            wanted,
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
        let files: Vec<PathBuf> = self
            .sources
            .iter()
            .flat_map(|source| source.watched())
            .collect();
        let now: BTreeSet<PathBuf> = files
            .iter()
            .filter_map(|file| nearest_folder(file))
            .collect();
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = files;
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

/// Whether the event is one of these files, of a folder that they lie in, or of a file in one of
/// them, where that is a folder.
fn concerns(event: &notify::Result<notify::Event>, files: &[PathBuf]) -> bool {
    match event {
        Ok(event) if event.kind.is_access() => false,
        Ok(event) if event.paths.is_empty() => true,
        Ok(event) => event
            .paths
            .iter()
            .any(|path| files.iter().any(|file| touches(path, file))),
        // An overflow, or a folder that is gone: read again.
        Err(_) => true,
    }
}

fn touches(path: &Path, wanted: &Path) -> bool {
    wanted.starts_with(path) || path.parent() == Some(wanted)
}

/// The file itself, where it is a folder, else the nearest one above it.
fn nearest_folder(file: &Path) -> Option<PathBuf> {
    file.ancestors()
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

#[cfg(test)]
mod tests;
