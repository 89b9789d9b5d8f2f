//! One request, one answer.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::events::Listeners;
use crate::control::{Door, Problem};
use crate::target::TargetId;

/// Settings and requests are small; what is longer is refused.
const LONGEST_BODY: usize = 1 << 20;

/// The body of an answer: whole, or events without end.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers `request`; a [`Problem`] becomes the status that [`status_of`] gives it.
pub(super) async fn to<D: Door>(
    request: Request<Incoming>,
    door: &D,
    listeners: &Listeners,
) -> Response<Body> {
    answer(request, door, listeners)
        .await
        .unwrap_or_else(|problem| json(status_of(&problem), &problem))
}

/// Said where answering itself broke.
pub(super) fn broke(error: &tokio::task::JoinError) -> Response<Body> {
    let problem = Problem::new("change_broke", error.to_string()).with("error", error);
    json(status_of(&problem), &problem)
}

async fn answer<D: Door>(
    request: Request<Incoming>,
    door: &D,
    listeners: &Listeners,
) -> Result<Response<Body>, Problem> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    Ok(match (&method, path.as_str()) {
        (&Method::GET, "/v1/status") => ok(&door.status().await?),
        (&Method::GET, "/v1/events") => listeners.answer()?,
        (&Method::GET, "/v1/plan") => ok(&door.plan().await?),
        (&Method::POST, "/v1/apply") => ok(&door.apply(body(request).await?).await?),
        (&Method::POST, "/v1/undo") => {
            let only = match request.uri().query() {
                None | Some("") => None,
                Some(_) => Some(TargetId(parameter(&request, "target")?)),
            };
            ok(&door.undo(only.as_ref()).await?)
        }
        (&Method::GET, "/v1/explain") => ok(&door.explain(&parameter(&request, "url")?).await?),
        (&Method::GET, "/v1/doctor") => ok(&door.examine().await?),
        (&Method::GET, "/v1/settings") => ok(&door.settings().await?),
        (&Method::PUT, "/v1/settings") => ok(&door.change_settings(body(request).await?).await?),
        (&Method::PUT, "/v1/credentials") => {
            door.store_credentials(body(request).await?).await?;
            nothing()
        }
        (&Method::DELETE, "/v1/credentials") => {
            door.forget_credentials(&parameter(&request, "authority")?)
                .await?;
            nothing()
        }
        _ => {
            return Err(Problem::new(
                "no_such_request",
                format!("the agent has no `{method} {path}`"),
            )
            .with("request", format_args!("{method} {path}")));
        }
    })
}

/// Which status says what kind of problem it is; programs look at the code.
fn status_of(problem: &Problem) -> StatusCode {
    match problem.code.as_str() {
        "no_such_request" => StatusCode::NOT_FOUND,
        "bad_request" | "url_invalid" | "no_such_target" | "no_such_scheme" => {
            StatusCode::BAD_REQUEST
        }
        "body_too_long" => StatusCode::PAYLOAD_TOO_LARGE,
        "plan_stale" => StatusCode::CONFLICT,
        "too_many_listeners" => StatusCode::SERVICE_UNAVAILABLE,
        code if code.starts_with("setting") => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Problem> {
    let bytes = Limited::new(request.into_body(), LONGEST_BODY)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Problem::new(
                    "body_too_long",
                    format!("the request is longer than {LONGEST_BODY} bytes"),
                )
            } else {
                bad_request(error)
            }
        })?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(bad_request)
}

fn parameter(request: &Request<Incoming>, name: &str) -> Result<String, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
        .ok_or_else(|| bad_request(format_args!("the parameter `{name}` is missing")))?;
    percent_encoding::percent_decode_str(value)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(bad_request)
}

fn bad_request(error: impl std::fmt::Display) -> Problem {
    Problem::new(
        "bad_request",
        format!("the request is not understood: {error}"),
    )
    .with("error", error)
}

fn ok(value: &impl Serialize) -> Response<Body> {
    json(StatusCode::OK, value)
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Our own types serialize: no maps with keys that are not strings.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Full::from(text).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
