//! The few parts of a URL that decide its route.

use std::fmt;

use proxy_engine::route::Destination;

use super::ExplainError;

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Target {
    scheme: String,
    pub(in crate::doctor) to: Destination,
    /// Path and query, as written.
    rest: String,
}

/// Schemes over TCP, and their ports.
const SCHEMES: [(&str, u16); 5] = [
    ("https", 443),
    ("http", 80),
    ("wss", 443),
    ("ws", 80),
    ("ftp", 21),
];

impl Target {
    /// Path and query of what goes without TLS: the engine sees them.
    pub(super) fn plain_path(&self) -> Option<&str> {
        let path = if self.rest.starts_with('/') {
            &self.rest
        } else {
            "/"
        };
        (self.scheme == "http").then_some(path)
    }

    pub(in crate::doctor) fn parse(url: &str) -> Result<Self, ExplainError> {
        let fail = |reason| ExplainError {
            url: without_userinfo(url).escape_debug().take(200).collect(),
            reason,
        };
        let url = url.trim();
        if url.is_empty() {
            return Err(fail("it is empty"));
        }
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(fail("it holds a control character or a space"));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let scheme = scheme.to_ascii_lowercase();
        let (_, default_port) = SCHEMES
            .into_iter()
            .find(|(known, _)| *known == scheme)
            .ok_or_else(|| fail("its scheme is none of https, http, wss, ws, ftp"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let to = Destination::parse(authority, Some(default_port))
            .ok_or_else(|| fail("its host and port are not HOST or HOST:PORT"))?;
        Ok(Self {
            to,
            // A fragment never leaves the client.
            rest: rest.split('#').next().unwrap_or_default().to_owned(),
            scheme,
        })
    }
}

impl Target {
    /// Whether it is asked for in clear: a proxy is sent the request itself, and opens no tunnel.
    pub(in crate::doctor) fn is_plain(&self) -> bool {
        self.scheme == "http"
    }
}

/// As it was understood: with its port where that is not the scheme's own.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.to.host)?;
        if !SCHEMES.contains(&(self.scheme.as_str(), self.to.port)) {
            write!(f, ":{}", self.to.port)?;
        }
        f.write_str(if self.rest.is_empty() {
            "/"
        } else {
            &self.rest
        })
    }
}

fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // Everything before the last `@`, wherever it stands: a password may hold `/`.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
    format!("{scheme}{rest}")
}
