//! Eyes on everything that may change.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine_link::Report;
use super::{Core, targets};
use crate::source;

/// Engines report every connection: pictures are made at most this often for them.
const ENGINE_COALESCE: Duration = Duration::from_millis(250);

/// Refreshes the core whenever a source, the settings, the container networks or the engine may
/// have changed, until `ended`.
pub(super) async fn watch(
    core: Arc<Core>,
    mut reports: watch::Receiver<Report>,
    ended: CancellationToken,
) {
    let mut sources = pin!(source::watch(core.sources()));
    let mut networks = pin!(targets::network_changes());
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            // The sources' stream also ticks when nothing was heard for a while: targets that were
            // changed by hand are seen then.
            Some(()) = sources.next() => { core.refresh().await; }
            Some(()) = networks.next() => { core.refresh().await; }
            changed = reports.changed() => {
                if changed.is_err() {
                    return;
                }
                core.engine_changed().await;
                tokio::time::sleep(ENGINE_COALESCE).await;
            }
        }
    }
}
