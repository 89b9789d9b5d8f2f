//! `https_proxy` and friends, wherever they are set.
//!
//! The engine sends everything to one upstream, and nearly all of it is HTTPS, so the variable for
//! HTTPS is asked first: `https_proxy`, `HTTPS_PROXY`, `http_proxy`, `HTTP_PROXY`, `all_proxy`,
//! `ALL_PROXY`. Lower case wins, as with curl; an empty value counts as unset. `HTTP_PROXY` is
//! ignored where `REQUEST_METHOD` is set, since a request header can set it there (CVE-2016-5385).
//! The exceptions are `no_proxy`, else `NO_PROXY`.

use proxy_engine::config::{Upstream, UpstreamError};

use super::{Lost, Reading, Says, SourceError, SourceId};
use crate::bypass;
use crate::control::Said;

const PROXY: [&str; 6] = [
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
];
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The variables of one place that speak of proxies.
#[derive(Clone)]
pub(super) struct Variables {
    /// Names and values of those that are set and not empty, in the order of precedence.
    proxies: Vec<(&'static str, String)>,
    exceptions: Option<(&'static str, String)>,
}

impl Variables {
    /// The variables that `var` gives.
    pub(super) fn of(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| {
            var(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
                .map(|value| (name, value))
        };
        let cgi = set("REQUEST_METHOD").is_some();
        Self {
            proxies: PROXY
                .into_iter()
                .filter(|name| !(cgi && *name == "HTTP_PROXY"))
                .filter_map(set)
                .collect(),
            exceptions: EXCEPTIONS.into_iter().find_map(set),
        }
    }

    /// The variable that is followed; `None` where none names a proxy.
    pub(super) fn followed(&self) -> Option<&'static str> {
        self.proxies.first().map(|(name, _)| *name)
    }

    /// What they say. `place` is shown before the variables' names, if it is not empty:
    /// `/etc/environment`.
    ///
    /// # Errors
    /// The variable that is followed names no proxy.
    pub(super) fn reading(&self, source: SourceId, place: &str) -> Result<Reading, SourceError> {
        let origin = |names: &str| match place {
            "" => names.to_owned(),
            place => format!("{place}: {names}"),
        };
        let Some((name, value)) = self.proxies.first() else {
            return Ok(Reading::nothing(source, Said::new("said_no_variable", &[])));
        };
        let (upstream, password) = match Upstream::parse_with_credentials(value) {
            Ok(parsed) => parsed,
            Err(UpstreamError::Scheme(scheme)) => {
                return Ok(Reading {
                    source,
                    origin: Said::verbatim(origin(name)),
                    says: Says::Unusable {
                        proxy: format!("{} proxy", scheme.escape_debug()),
                        reason: UpstreamError::Scheme(scheme).to_string(),
                    },
                    password: None,
                    otherwise: None,
                });
            }
            Err(error) => {
                return Err(SourceError {
                    source_id: source,
                    origin: match place {
                        "" => format!("environment variable {name}"),
                        place => format!("{place}: {name}"),
                    },
                    message: error.to_string(),
                });
            }
        };
        let mut lost: Vec<Lost> = Vec::new();
        for (other, value) in &self.proxies[1..] {
            // The value may hold a password: it is compared, never shown.
            let same = Upstream::parse_with_credentials(value)
                .is_ok_and(|(other, _)| other.authority() == upstream.authority());
            if !same {
                let what = format!("{other} names another proxy; {name} is followed");
                lost.push(what.into());
            }
        }
        let mut names = (*name).to_owned();
        let bypass = match &self.exceptions {
            None => proxy_engine::config::Bypass::default(),
            Some((exceptions, entries)) => {
                names = format!("{name}, {exceptions}");
                let read = bypass::read_env(entries);
                lost.extend(read.notes.into_iter().map(Lost::from));
                read.bypass
            }
        };
        Ok(Reading {
            source,
            origin: Said::verbatim(origin(&names)),
            says: Says::Proxy {
                upstream,
                bypass,
                lost,
            },
            password: password.map(Into::into),
            otherwise: None,
        })
    }
}

impl std::fmt::Debug for Variables {
    /// Names only: values may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.proxies.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Variables")
            .field("set", &names)
            .finish_non_exhaustive()
    }
}
