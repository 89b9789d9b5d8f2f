//! Answers in JSON.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

use crate::control::Problem;

/// The text form of metrics that Prometheus asks for (OpenMetrics 1.0).
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A whole answer, or events.
pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Why a request is refused.
pub(super) struct Refusal {
    status: StatusCode,
    problem: Problem,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem }
    }

    pub(super) fn unprocessable(code: &str, message: String) -> Self {
        let problem = Problem {
            code: code.into(),
            message,
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, problem)
    }

    pub(super) fn into_response(self) -> Response<Body> {
        // A problem is two strings: there is nothing that JSON could not say.
        let text = serde_json::to_vec(&self.problem).unwrap_or_default();
        whole(self.status, text)
    }
}

/// 200 with a value.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Response<Body>, Refusal> {
    match serde_json::to_vec(value) {
        Ok(text) => Ok(whole(StatusCode::OK, text)),
        Err(error) => {
            let problem = Problem {
                code: "internal".into(),
                message: error.to_string(),
            };
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, problem))
        }
    }
}

/// 200 with metrics.
pub(super) fn metrics(text: String) -> Response<Body> {
    let mut response = whole(StatusCode::OK, text.into_bytes());
    let kind = header::HeaderValue::from_static(METRICS);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// 200 with events that follow.
pub(super) fn events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = header::HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// One event.
pub(super) fn event<T: serde::Serialize>(name: &str, value: &T) -> String {
    // JSON of one line has no line end that could end the event.
    let data = serde_json::to_string(value).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// 204.
pub(super) fn empty() -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn whole(status: StatusCode, text: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
