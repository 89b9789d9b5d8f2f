//! A script decides: where it is, and whether it is had.

use std::time::SystemTime;

use proxy_engine::config::{DefaultRoute, Unavailable};

use super::Facts;
use crate::control::{Problem, Said};
use crate::pac::{DETECTED, Kept, shown};
use crate::source::Reading;

/// A script that the policy may follow, and what is had from its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacFacts {
    /// Where.
    pub address: String,
    /// What.
    pub kept: Kept,
}

/// What follows where the script at an address decides.
pub(super) struct ByScript {
    pub(super) address: String,
    /// Whether it is that of automatic detection.
    pub(super) detected: bool,
    /// Whether it was looked for and nothing was ever had.
    pub(super) is_not_there: bool,
    pub(super) default: DefaultRoute,
    pub(super) cause: Said,
    /// Why connections are refused or go directly instead.
    pub(super) problem: Option<Problem>,
}

/// The script of this address decides; that of automatic detection where there is none.
pub(super) fn by_script(facts: &Facts<'_>, url: Option<&str>) -> ByScript {
    let address = url.unwrap_or(DETECTED).to_owned();
    let kept = facts.pac.iter().find(|pac| pac.address == address);
    let kept = kept.map(|pac| pac.kept.clone()).unwrap_or_default();
    let detected = url.is_none();
    let unavailable = facts.settings.pac_unavailable.into();
    let Some(script) = kept.script else {
        let problem = not_had(
            &shown(&address),
            kept.error.as_deref(),
            detected,
            unavailable,
        );
        return ByScript {
            address,
            detected,
            is_not_there: kept.error.is_some(),
            default: match unavailable {
                Unavailable::Block => DefaultRoute::Refused {
                    reason: problem.message.clone(),
                },
                Unavailable::Direct => DefaultRoute::Direct,
            },
            cause: problem.clone().into(),
            problem: Some(problem),
        };
    };
    let stale = kept.error.map(|error| {
        let minutes = age(kept.good_at);
        Problem::new(
            "pac_stale",
            format!(
                "{} gives no PAC script any more ({error}); the last one is followed, which was good {minutes} min ago",
                shown(&address)
            ),
        )
        .with("url", shown(&address))
        .with("reason", error)
        .with("minutes", minutes)
    });
    ByScript {
        cause: Said::new("said_pac", &[("url", &shown(&address))]),
        default: DefaultRoute::Pac {
            script,
            unavailable,
            logins: facts.settings.logins.clone(),
        },
        address,
        detected,
        is_not_there: false,
        problem: stale,
    }
}

/// The same problem where what is set beside the script is followed.
pub(super) fn beside(why: &Problem, otherwise: &Reading) -> Problem {
    let arg = |name: &str| why.args.get(name).cloned().unwrap_or_default();
    let (url, reason) = (arg("url"), arg("reason"));
    Problem::new(
        "pac_not_had_otherwise",
        format!(
            "no PAC script from {url}: {reason}; {} is followed, which is set beside it",
            otherwise.says
        ),
    )
    .with("url", url)
    .with("reason", reason)
    .with("otherwise", &otherwise.says)
}

fn not_had(url: &str, error: Option<&str>, detected: bool, unavailable: Unavailable) -> Problem {
    let reason = error.unwrap_or("it is being fetched");
    let (code, meanwhile) = match unavailable {
        Unavailable::Block => (
            "pac_not_had",
            "what is not direct is refused until it is there (`gangway set pac-unavailable direct` lets it go directly)",
        ),
        Unavailable::Direct => (
            "pac_not_had_direct",
            "everything goes directly until it is there, as you chose",
        ),
    };
    let how = if detected {
        " (automatic detection, which the system asks for)"
    } else {
        ""
    };
    Problem::new(
        code,
        format!("no PAC script from {url}{how}: {reason}; {meanwhile}"),
    )
    .with("url", url)
    .with("reason", reason)
}

/// Minutes since then.
fn age(then: Option<SystemTime>) -> u64 {
    let passed = then.and_then(|then| then.elapsed().ok());
    passed.unwrap_or_default().as_secs() / 60
}
