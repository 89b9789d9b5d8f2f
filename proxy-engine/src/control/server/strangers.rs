//! Peers that may not speak: told why and what to do, within bounds, and nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::answer::Refusal;
use crate::control::Problem;

/// Strangers that are answered at a time; more are hung up on at once.
const PLACES: usize = 16;
/// One that has not asked and heard by then is hung up on.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a stranger sends is read this far, so that the answer is not lost in a broken pipe.
const BODY_LIMIT: usize = 64 * 1024;
/// Users of whom the log tells once; their agents ask every second.
const LOGGED: usize = 64;

/// Answers strangers.
#[derive(Debug)]
pub(super) struct Strangers {
    places: Arc<Semaphore>,
    logged: HashSet<u32>,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            logged: HashSet::new(),
        }
    }

    /// Answers whatever the user `uid` asks with `problem`, once, and hangs up.
    pub(super) fn refuse(&mut self, stream: UnixStream, uid: u32, problem: Problem) {
        if self.logged.len() < LOGGED && self.logged.insert(uid) {
            tracing::warn!(uid, reason = problem.message, "control connection refused");
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let _place = place;
            // Late or broken off: there is nobody left to tell.
            let _ = tokio::time::timeout(PATIENCE, tell(stream, problem)).await;
        });
    }
}

async fn tell(stream: UnixStream, problem: Problem) {
    let service = service_fn(|request: Request<Incoming>| {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, problem.clone());
        async move {
            // Too long, or broken off: the answer is the same.
            let _ = Limited::new(request.into_body(), BODY_LIMIT)
                .collect()
                .await;
            Ok::<_, std::convert::Infallible>(refusal.into_response())
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a stranger went away");
    }
}
