//! `GET /v1/events`: the status now, then at every change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::answer::Body;
use crate::control::{Problem, Status};

/// Listeners at a time: windows and scripts.
const MOST_LISTENERS: usize = 32;
/// A comment is sent after this much silence, so that either side notices that the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Everybody who listens. Each holds one place in a `watch` channel: a slow one misses
/// intermediate pictures and costs no memory.
#[derive(Clone)]
pub(super) struct Listeners {
    statuses: watch::Receiver<Arc<Status>>,
    places: Arc<Semaphore>,
    ended: CancellationToken,
}

struct Listener {
    statuses: watch::Receiver<Arc<Status>>,
    ended: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Listeners {
    pub(super) fn new(statuses: watch::Receiver<Arc<Status>>, ended: CancellationToken) -> Self {
        Self {
            statuses,
            places: Arc::new(Semaphore::new(MOST_LISTENERS)),
            ended,
        }
    }

    /// An answer that lasts as long as the agent and the listener do.
    pub(super) fn answer(&self) -> Result<Response<Body>, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Problem::new(
                "too_many_listeners",
                format!("{MOST_LISTENERS} programs listen to the agent already: close one"),
            )
        })?;
        let mut listener = Listener {
            statuses: self.statuses.clone(),
            ended: self.ended.clone(),
            _place: place,
        };
        // The first event is the picture as it is now.
        listener.statuses.mark_changed();
        let frames = stream::unfold(listener, |mut listener| async move {
            let bytes = listener.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), listener))
        });
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        );
        Ok(response)
    }
}

impl Listener {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            () = self.ended.cancelled() => None,
            () = tokio::time::sleep(HEARTBEAT) => Some(Bytes::from_static(b": still here\n\n")),
            changed = self.statuses.changed() => {
                changed.ok()?;
                let status = Arc::clone(&self.statuses.borrow_and_update());
                let json = serde_json::to_string(&*status).ok()?;
                Some(format!("event: status\ndata: {json}\n\n").into())
            }
        }
    }
}
