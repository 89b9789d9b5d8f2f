//! `https_proxy` and friends of the agent's own environment.
//!
//! The engine sends everything to one upstream, and nearly all of it is HTTPS, so the variable for
//! HTTPS is asked first: `https_proxy`, `HTTPS_PROXY`, `http_proxy`, `HTTP_PROXY`, `all_proxy`,
//! `ALL_PROXY`. Lower case wins, as with curl; an empty value counts as unset. `HTTP_PROXY` is
//! ignored where `REQUEST_METHOD` is set, since a request header can set it there (CVE-2016-5385).
//! The exceptions are `no_proxy`, else `NO_PROXY`.

use std::path::PathBuf;

use proxy_engine::config::{Upstream, UpstreamError};

use super::{Lost, Reading, Says, Source, SourceError, SourceId};
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

/// The variables as they were when the process started: nobody else can change them later.
#[derive(Clone)]
pub struct Environment {
    /// Names and values of those that are set and not empty, in the order of precedence.
    proxies: Vec<(&'static str, String)>,
    exceptions: Option<(&'static str, String)>,
}

impl Environment {
    /// The variables of this process.
    pub fn of_this_process() -> Self {
        Self::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The variables that `var` gives.
    pub fn of(var: impl Fn(&str) -> Option<String>) -> Self {
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
}

impl Source for Environment {
    fn id(&self) -> SourceId {
        SourceId::Environment
    }

    fn read(&self) -> Result<Reading, SourceError> {
        let Some((name, value)) = self.proxies.first() else {
            return Ok(Reading::nothing(
                SourceId::Environment,
                Said::new("said_no_variable", &[]),
            ));
        };
        let failed = |message: String| SourceError {
            source_id: SourceId::Environment,
            origin: format!("environment variable {name}"),
            message,
        };
        let (upstream, password) = match Upstream::parse_with_credentials(value) {
            Ok(parsed) => parsed,
            Err(UpstreamError::Scheme(scheme)) => {
                return Ok(Reading {
                    source: SourceId::Environment,
                    origin: Said::verbatim(*name),
                    says: Says::Unusable {
                        proxy: format!("{} proxy", scheme.escape_debug()),
                        reason: UpstreamError::Scheme(scheme).to_string(),
                    },
                    password: None,
                });
            }
            Err(error) => return Err(failed(error.to_string())),
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
        let mut origin = (*name).to_owned();
        let bypass = match &self.exceptions {
            None => proxy_engine::config::Bypass::default(),
            Some((exceptions, entries)) => {
                origin = format!("{name}, {exceptions}");
                let read = bypass::read_env(entries);
                lost.extend(read.notes.into_iter().map(Lost::from));
                read.bypass
            }
        };
        Ok(Reading {
            source: SourceId::Environment,
            origin: Said::verbatim(origin),
            says: Says::Proxy {
                upstream,
                bypass,
                lost,
            },
            password: password.map(Into::into),
        })
    }

    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.proxies.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Environment")
            .field("set", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
