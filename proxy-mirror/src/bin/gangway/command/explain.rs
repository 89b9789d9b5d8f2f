//! `gangway explain URL`: how it would go, and why.

use proxy_mirror::control::{Door, RouteKind};

use super::reach;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the route of one URL.
pub(super) async fn explain(url: &str, output: Output, words: Words) -> Result<Exit, Failure> {
    let explanation = reach().await?.explain(url).await?;
    let route = match explanation.route {
        RouteKind::Direct => words.text("cli_route_direct"),
        RouteKind::Refused => words.text("cli_route_refused"),
        RouteKind::Upstream => {
            let upstream = explanation.upstream.as_deref().unwrap_or_default();
            words.with("cli_route_upstream", &[("upstream", upstream)])
        }
    };
    let mut lines = vec![
        output.tone(Tone::Heading, &explanation.url),
        format!("  {}", plain(&route)),
    ];
    for (key, value) in [
        ("cli_explain_reason", Some(words.said(&explanation.reason))),
        ("cli_explain_source", Some(words.said(&explanation.source))),
        ("cli_explain_credentials", explanation.credentials.clone()),
    ] {
        if let Some(value) = value {
            let line = words.with(key, &[("value", &value)]);
            lines.push(format!("  {}", plain(&line)));
        }
    }
    output.json(&explanation);
    output.lines(&lines);
    Ok(Exit::Ok)
}
