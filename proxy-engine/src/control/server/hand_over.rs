//! This engine's side of a hand-over: it is the old one.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

use super::answer::{Body, Refusal};
use crate::control::Problem;
use crate::control::hand_over::{LEFT, LISTENS, PATIENCE, PROTOCOL, SERVES, bare, expect, give};
use crate::engine::Engine;

/// Begins a hand-over to the peer `uid`, which goes on once HTTP is left.
pub(super) async fn response(
    engine: &Engine,
    uid: u32,
    control: Arc<UnixListener>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::method());
    }
    let own = rustix::process::geteuid().as_raw();
    if uid != 0 && uid != own {
        let problem = Problem {
            code: "not_the_engines_user".into(),
            message: format!("only root and user id {own} may take this engine's place"),
        };
        return Err(Refusal::new(StatusCode::FORBIDDEN, problem));
    }
    let asked = request.headers().get(header::UPGRADE);
    if asked.is_none_or(|protocol| protocol != PROTOCOL) {
        let message = format!("ask for it with `Upgrade: {PROTOCOL}`");
        return Err(Refusal::unprocessable("no_upgrade", message));
    }
    engine.may_hand_over().await?;
    let engine = engine.clone();
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        match hand_over(&engine, upgrade, &control).await {
            Ok(()) => {}
            Err(error) if engine.has_handed_over() => {
                tracing::warn!(%error, "the new engine went away after it took over");
            }
            Err(error) => tracing::error!(%error, "not handed over: this engine goes on"),
        }
    });
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

async fn hand_over(engine: &Engine, upgrade: OnUpgrade, control: &UnixListener) -> io::Result<()> {
    let begin = async {
        let mut stream = bare(upgrade.await.map_err(io::Error::other)?)?;
        expect(&mut stream, LISTENS).await?;
        Ok(stream)
    };
    let mut stream = in_time(begin).await?;
    let give = async |estate| {
        let given = async {
            give(&mut stream, estate, control.as_fd()).await?;
            expect(&mut stream, SERVES).await
        };
        in_time(given).await?;
        Ok(stream)
    };
    // What is between the two, leaving, is done whole or not at all.
    let farewell = async |mut stream: UnixStream| in_time(stream.write_u8(LEFT)).await;
    engine.hand_over(give, farewell).await
}

/// The new engine is waited for no longer.
async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, step).await {
        Ok(done) => done,
        Err(late) => Err(late.into()),
    }
}
