//! What a person should know about the facts beside the policy.

use proxy_engine::config::DefaultRoute;

use super::{Facts, SourceFacts};
use crate::control::Problem;
use crate::settings::{Mode, Style};
use crate::source::{self, Reading, Says, SourceId};

/// What the settings say and cannot hold.
pub(super) fn of_settings(facts: &Facts<'_>, default: &DefaultRoute) -> Vec<Problem> {
    let settings = facts.settings;
    let mut notices = Vec::new();
    if let Some(Err(reason)) = facts.certificates {
        notices.push(
            Problem::new(
                "upstream_ca_unread",
                format!(
                    "settings.toml: upstream_ca: {reason}: proxies over TLS must prove themselves to the system's certificates alone"
                ),
            )
            .with("reason", reason),
        );
    }
    let several = matches!(
        default,
        DefaultRoute::Upstreams { upstreams } if upstreams.len() > 1
    );
    let more = several || !settings.rules.is_empty();
    if settings.style == Style::Mirror && settings.mode != Mode::Off && more {
        notices.push(Problem::new(
            "mirror_tells_one",
            "style mirror tells targets one proxy: further upstreams and rules hold in style relay alone (`gangway set style relay`)",
        ));
    }
    notices
}

/// What the sources say and cannot be followed.
pub(super) fn of_sources(
    sources: &[SourceFacts],
    followed: Option<&Reading>,
    mode: Mode,
) -> Vec<Problem> {
    // The user's own entry stands in the settings; whoever read those says what is wrong with them.
    let asked = |source: SourceId| mode == Mode::System && source != SourceId::Manual;
    let mut notices: Vec<Problem> = sources
        .iter()
        .filter(|source| asked(source.source))
        .filter_map(|source| source.error.as_ref())
        .map(source::SourceError::problem)
        .collect();
    if let Some(Reading {
        says: Says::Proxy { lost, .. },
        origin,
        ..
    }) = followed
    {
        notices.extend(lost.iter().map(|lost| lost.problem(origin)));
    }
    notices
}
