//! The connections: as they are, and what happens to them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::answer::{self, Body, Refusal, event, json};
use crate::control::{ConnectionEvent, Problem};
use crate::engine::Engine;
use crate::observe::Follower;

/// A line that says nothing shows either side whether the other is still there.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// All of them, now.
pub(super) async fn list(engine: &Engine) -> Result<Response<Body>, Refusal> {
    let engine = engine.clone();
    // Whose they are is looked for in files.
    match tokio::task::spawn_blocking(move || engine.connections()).await {
        Ok(connections) => json(&connections),
        Err(error) => {
            let problem = Problem {
                code: "internal".into(),
                message: error.to_string(),
            };
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, problem))
        }
    }
}

/// What happens from now on, for as long as somebody listens.
pub(super) fn events(engine: &Engine) -> Result<Response<Body>, Refusal> {
    let follower = engine.follow().map_err(|error| {
        let problem = Problem {
            code: "too_many_listeners".into(),
            message: error.to_string(),
        };
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, problem)
    })?;
    // The next text is made when the last one was taken: a listener that does not read holds
    // nothing but its place in the ring.
    let state = (engine.clone(), follower);
    let frames = stream::unfold(state, |(engine, mut follower)| async move {
        // After a hand-over the listener shall ask the engine that is there now.
        let text = engine.unless_handed_over(next(&mut follower)).await?;
        Some((Ok(Frame::data(Bytes::from(text))), (engine, follower)))
    });
    // The head goes at once: whoever reads it knows that nothing from now on is missed.
    Ok(answer::events(StreamBody::new(frames).boxed_unsync()))
}

async fn next(follower: &mut Follower) -> String {
    match follower.next(HEARTBEAT).await {
        Some(events) => events.iter().map(written).collect(),
        None => ":\n\n".into(),
    }
}

fn written(happened: &ConnectionEvent) -> String {
    match happened {
        ConnectionEvent::Opened(connection) => event("opened", connection),
        ConnectionEvent::Routed(connection) => event("routed", connection),
        ConnectionEvent::Ended(connection) => event("ended", connection),
        ConnectionEvent::Lost(lost) => event("lost", lost),
    }
}
