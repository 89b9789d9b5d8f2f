//! An attachment: events for as long as the agent listens.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;

use super::answer::{self, Body, event};
use crate::control::{Lease, Status};
use crate::engine::{Attached, Engine};

/// Changes that come faster merge.
const PACE: Duration = Duration::from_millis(20);
/// Counters alone are shown this often.
const COUNTERS: Duration = Duration::from_secs(1);
/// A line that says nothing shows whether the agent is still there.
const HEARTBEAT: u32 = 5;

/// Everything that lives as long as the attachment: dropping it takes back what was lent.
struct Stream {
    engine: Engine,
    attached: Attached,
    changes: watch::Receiver<u64>,
    last: Option<Status>,
    greeted: bool,
}

/// The events of one attachment: `lease`, then `status` at every change.
pub(super) fn response(engine: Engine, attached: Attached) -> Response<Body> {
    let stream = Stream {
        changes: engine.subscribe(),
        engine,
        attached,
        last: None,
        greeted: false,
    };
    // After a hand-over the agent shall ask the engine that is there now.
    let frames = stream::unfold(stream, |mut stream| async move {
        let engine = stream.engine.clone();
        let text = engine.unless_handed_over(stream.next()).await?;
        Some((Ok(Frame::data(Bytes::from(text))), stream))
    });
    answer::events(StreamBody::new(frames).boxed_unsync())
}

impl Stream {
    async fn next(&mut self) -> String {
        if !self.greeted {
            self.greeted = true;
            let lease = self.attached.lease().to_owned();
            return event("lease", &Lease { lease });
        }
        for _ in 0..HEARTBEAT {
            if self.last.is_some() {
                tokio::select! {
                    // The sender lives in the engine, which this stream holds.
                    _ = self.changes.changed() => tokio::time::sleep(PACE).await,
                    () = tokio::time::sleep(COUNTERS) => {}
                }
            }
            self.changes.mark_unchanged();
            let status = self.engine.status();
            if self.last.as_ref() != Some(&status) {
                let text = event("status", &status);
                self.last = Some(status);
                return text;
            }
        }
        ":\n\n".into()
    }
}
