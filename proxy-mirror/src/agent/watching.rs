//! Eyes on everything that may change.
//!
//! What decides the route goes to the engine first and by itself; the picture, for which every
//! target is asked, follows.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use proxy_engine::observe::Network;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Core;
use super::engine_link::Report;
use crate::{secret, source};

/// Changes that follow each other within this time are one.
const SETTLE: Duration = Duration::from_millis(100);

/// A route that has just been changed stays so long. With [`SETTLE`] and what the sources take to
/// tell, it is just under a second: one that flaps changes twice a second at most, and no change
/// waits longer.
const HOLD: Duration = Duration::from_millis(800);

/// Engines report every connection: pictures are made at most this often for them.
const ENGINE_COALESCE: Duration = Duration::from_millis(250);

/// Refreshes the core whenever a source, the settings, the keychain, the container networks or the
/// engine may have changed, until `ended`.
pub(super) async fn watch(
    core: Arc<Core>,
    reports: watch::Receiver<Report>,
    ended: CancellationToken,
) {
    let (changed, followed) = (Notify::new(), Notify::new());
    let all = async {
        tokio::join!(
            listen(&core, &changed),
            follow(&core, &changed, &followed),
            show(&core, reports, &followed),
        )
    };
    Box::pin(ended.run_until_cancelled(all)).await;
}

/// Hears what may have changed.
async fn listen(core: &Core, changed: &Notify) {
    let mut sources = pin!(source::watch(core.sources()));
    let mut networks = pin!(core.network_changes());
    let mut keychain = pin!(secret::changes());
    let mut network = Network::watch();
    loop {
        tokio::select! {
            // The sources' stream also ticks when nothing was heard for a while: targets that were
            // changed by hand are seen then.
            Some(()) = sources.next() => {}
            Some(()) = networks.next() => {}
            Some(()) = keychain.next() => core.keychain_changed(),
            () = core.keychain_answered() => {}
            () = core.heard_late() => {}
            () = core.pause_ends() => {}
            () = core.scripts().changed() => {}
            // What was had in the last network may not hold in this one.
            () = network.changed() => core.moved(),
        }
        changed.notify_one();
    }
}

/// Tells the engine. A change that comes while another one settles, or holds, is not lost: the next
/// look sees it.
async fn follow(core: &Core, changed: &Notify, followed: &Notify) {
    let mut hold = Instant::now();
    loop {
        changed.notified().await;
        tokio::time::sleep_until(hold.max(Instant::now() + SETTLE)).await;
        if core.follow().await {
            hold = Instant::now() + HOLD;
        }
        followed.notify_one();
    }
}

/// Draws the picture anew: of everything, or of what the engine says.
async fn show(core: &Core, mut reports: watch::Receiver<Report>, followed: &Notify) {
    loop {
        tokio::select! {
            () = followed.notified() => { core.show().await; }
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
