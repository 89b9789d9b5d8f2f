//! Answering on the agent's socket: mode 0600, and each peer is asked who it is.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{Door, Status, peer};

mod answer;
mod events;

/// Connections at a time: a window, some commands, scripts. More are closed at once.
const MOST_CONNECTIONS: usize = 64;

/// Binds the socket, mode 0600, taking the place of one that a killed agent left. Whoever calls
/// holds [`crate::agent::instance`]'s lock: nobody else is listening there.
///
/// # Errors
/// Those of the file system, for instance a folder of somebody else's.
pub fn bind(socket: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    // Bound under another name and moved, so that it is never there with a wider mode, and never
    // not there.
    let mut fresh = socket.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = Path::new(&fresh);
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(fresh)?;
    fs::set_permissions(fresh, Permissions::from_mode(0o600))?;
    fs::rename(fresh, socket)?;
    Ok(listener)
}

/// Answers until `ended`; the events come from `statuses`. Requests that are being answered then
/// are given up: what they change is journaled.
pub async fn serve<D: Door + 'static>(
    listener: UnixListener,
    door: Arc<D>,
    statuses: watch::Receiver<Arc<Status>>,
    ended: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let listeners = events::Listeners::new(statuses, ended.clone());
    loop {
        let accepted = tokio::select! {
            () = ended.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: it passes, and must not spin meanwhile.
                tracing::warn!(%error, "cannot accept a connection to the agent");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                continue;
            }
        };
        if !is_welcome(&stream) {
            continue;
        }
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("more than {MOST_CONNECTIONS} connections to the agent: one is closed");
            continue;
        };
        let (door, listeners, ended) = (Arc::clone(&door), listeners.clone(), ended.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = ended.cancelled() => {}
                () = answer_on(stream, door, listeners) => {}
            }
        });
    }
}

fn is_welcome(stream: &UnixStream) -> bool {
    match peer::of(stream) {
        Ok(peer) if peer.is_trusted() => true,
        Ok(peer) => {
            tracing::warn!(peer.uid, peer.pid, "another user asked this agent: refused");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "a peer of the agent's socket cannot be told: refused");
            false
        }
    }
}

async fn answer_on<D: Door + 'static>(
    stream: UnixStream,
    door: Arc<D>,
    listeners: events::Listeners,
) {
    let service = service_fn(move |request| {
        let (door, listeners) = (Arc::clone(&door), listeners.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(request, door, listeners).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(std::time::Duration::from_secs(10))
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the agent broke");
    }
}

/// What changes something is carried through to its end, though nobody waits for the answer any
/// longer: half of it would be neither what was nor what was asked for.
async fn answer<D: Door + 'static>(
    request: Request<Incoming>,
    door: Arc<D>,
    listeners: events::Listeners,
) -> Response<answer::Body> {
    if request.method() == Method::GET {
        return answer::to(request, &*door, &listeners).await;
    }
    let carried_through =
        tokio::spawn(async move { answer::to(request, &*door, &listeners).await });
    carried_through
        .await
        .unwrap_or_else(|error| answer::broke(&error))
}
