//! Metrics over TCP: the one thing of the API that is served there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::answer::{Refusal, metrics};
use crate::accept::{ListenError, Listener};
use crate::engine::Engine;
use crate::intercept::Families;

/// So many scrapers at once; Prometheus needs one.
const SCRAPERS: usize = 8;
/// A scraper gets this long for a request, and for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens where metrics are served.
///
/// # Errors
/// See [`ListenError`].
pub fn scraped(address: SocketAddr) -> Result<Listener, ListenError> {
    Listener::open(address, Families::Own)
}

/// Serves them until it is dropped.
pub async fn serve_metrics(listener: Listener, engine: Engine) {
    let places = Arc::new(Semaphore::new(SCRAPERS));
    loop {
        let (stream, client, _) = listener.accept().await;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!(%client, "too many ask for metrics at once");
            continue;
        };
        let engine = engine.clone();
        tokio::spawn(async move {
            // Whoever is slower than that asks again.
            let _ = tokio::time::timeout(PATIENCE, answer(stream, engine)).await;
            drop(place);
        });
    }
}

/// One request, one answer.
async fn answer(stream: TcpStream, engine: Engine) {
    let service = service_fn(move |request: Request<Incoming>| {
        let found = (request.method(), request.uri().path()) == (&Method::GET, "/metrics");
        let text = found.then(|| engine.metrics());
        async move {
            let none = || Refusal::nothing_there("try GET /metrics").into_response();
            Ok::<_, std::convert::Infallible>(text.map_or_else(none, metrics))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a scrape ended");
    }
}
