//! A proxy by host and port alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Upstream;

/// `host:port` of a proxy, as [`Upstream::authority`] writes it: however it is spoken to, and in
/// whoever's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Authority(String);

/// Text that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no proxy's address: write HOST:PORT")]
pub struct AuthorityError(String);

impl Authority {
    /// As [`Upstream::authority`] writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let wrong = || AuthorityError(text.to_owned());
        if text.contains(['@', '/']) {
            return Err(wrong());
        }
        let upstream: Upstream = format!("http://{text}").parse().map_err(|_| wrong())?;
        Ok(Self(upstream.authority()))
    }
}

impl TryFrom<String> for Authority {
    type Error = AuthorityError;

    fn try_from(text: String) -> Result<Self, AuthorityError> {
        text.parse()
    }
}

impl From<Authority> for String {
    fn from(authority: Authority) -> Self {
        authority.0
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Authority;

    #[test]
    fn a_host_and_a_port_are_all_of_it() {
        let read = |text: &str| text.parse().map(|a: Authority| a.to_string());
        assert_eq!(read("Proxy.Test.:8080"), Ok("proxy.test:8080".into()));
        assert_eq!(read("[FD66::2]:3128"), Ok("[fd66::2]:3128".into()));
        for text in [
            "",
            "proxy.test",
            "u@proxy.test:1",
            "http://proxy.test:1",
            "proxy.test:0",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
