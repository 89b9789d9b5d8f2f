//! `gangway explain URL`: how it would go, and why.

use proxy_mirror::control::{Door, RouteKind};

use super::reach;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Tone, plain};
use crate::words::Words;

/// Prints the route of one URL.
pub(super) async fn explain(url: &str, output: Output, words: Words) -> Result<Exit, Failure> {
    let explanation = reach().await?.explain(url).await?;
    if output.is_json() {
        output.json(&explanation);
        return Ok(Exit::Ok);
    }
    let route = match explanation.route {
        RouteKind::Direct => words.text("cli_route_direct"),
        RouteKind::Refused => words.text("cli_route_refused"),
        RouteKind::Upstream => {
            let upstream = explanation.upstream.as_deref().unwrap_or_default();
            words.with("cli_route_upstream", &[("upstream", upstream)])
        }
    };
    let mut text = format!(
        "{}\n  {}\n",
        output.tone(Tone::Heading, &explanation.url),
        plain(&route)
    );
    for (key, value) in [
        ("cli_explain_reason", &explanation.reason),
        ("cli_explain_source", &explanation.source),
    ] {
        text += &format!("  {}\n", plain(&words.with(key, &[("value", value)])));
    }
    if let Some(name) = &explanation.credentials {
        let line = words.with("cli_explain_credentials", &[("value", name)]);
        text += &format!("  {}\n", plain(&line));
    }
    output.text(&text);
    Ok(Exit::Ok)
}
