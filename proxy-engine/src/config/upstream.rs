//! A proxy that the engine forwards to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A proxy to forward to: `http://proxy.example.com:8080`, never with credentials in it.
///
/// Written as a URL. [`Upstream::parse_with_credentials`] takes what people write, with
/// `user:password@`, apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Upstream {
    scheme: Scheme,
    host: String,
    port: u16,
    /// The user name that credentials must be lent for; `None` where the proxy asks for none.
    user: Option<String>,
}

/// How the proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 in clear: CONNECT and absolute-form.
    Http,
}

/// Why a proxy URL was refused. The message never holds the URL: it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// A control character (newline, NUL, …) or a space.
    #[error("the proxy URL holds a control character or a space")]
    ControlCharacter,
    /// A scheme that the engine cannot speak to a proxy.
    #[error("proxies of scheme `{0}` are not supported: write http://HOST:PORT")]
    Scheme(String),
    /// No host, or one that is neither a host name nor an IP address.
    #[error("the proxy URL names no valid host: write http://HOST:PORT")]
    Host,
    /// The port is missing, zero, or not a number.
    #[error("the proxy URL needs a port between 1 and 65535: write http://HOST:PORT")]
    Port,
    /// Percent-encoding in the user or password that does not decode to UTF-8.
    #[error("the user or password in the proxy URL is not valid percent-encoding")]
    Encoding,
    /// A password where only a name may stand. Where it belongs instead knows who asked.
    #[error("a password stands in the proxy URL: leave it out")]
    Password,
    /// A path, query or fragment.
    #[error("the proxy URL has a path: write http://HOST:PORT")]
    Path,
}

impl Upstream {
    /// The upstream and, where the URL carried one, its password.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub fn parse_with_credentials(url: &str) -> Result<(Self, Option<String>), UpstreamError> {
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UpstreamError::ControlCharacter);
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UpstreamError::Scheme(scheme.to_owned()));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The last `@` ends the credentials: unescaped ones occur in passwords people paste.
        let (userinfo, authority) = rest
            .rsplit_once('@')
            .map_or((None, rest), |(u, a)| (Some(u), a));
        if authority.contains(['/', '?', '#']) {
            return Err(UpstreamError::Path);
        }
        let (host, port) = split_authority(authority)?;
        let (user, password) = match userinfo {
            None => (None, None),
            Some(info) => {
                let (user, password) = info
                    .split_once(':')
                    .map_or((info, None), |(u, p)| (u, Some(p)));
                (Some(decode(user)?), password.map(decode).transpose()?)
            }
        };
        let user = user.filter(|u| !u.is_empty());
        Ok((
            Self {
                scheme: Scheme::Http,
                host,
                port,
                user,
            },
            password,
        ))
    }

    /// How the proxy is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Lower-case host name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user that credentials must be lent for.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The same upstream, asking for the credentials of `user`.
    #[must_use]
    pub fn with_user(mut self, user: Option<String>) -> Self {
        self.user = user.filter(|u| !u.is_empty());
        self
    }

    /// `host:port`, with brackets around an IPv6 address: the key of credentials and of health.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn split_authority(authority: &str) -> Result<(String, u16), UpstreamError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(UpstreamError::Host)?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| UpstreamError::Host)?;
        (
            host.to_ascii_lowercase(),
            port.strip_prefix(':').ok_or(UpstreamError::Port)?,
        )
    } else {
        let (host, port) = authority.rsplit_once(':').ok_or(UpstreamError::Port)?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if !crate::sniff::is_host_name(&host) {
            return Err(UpstreamError::Host);
        }
        (host, port)
    };
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if digits && port != 0 => Ok((host, port)),
        _ => Err(UpstreamError::Port),
    }
}

fn decode(part: &str) -> Result<String, UpstreamError> {
    let text = percent_encoding::percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| UpstreamError::Encoding)?;
    if text.chars().any(char::is_control) {
        return Err(UpstreamError::ControlCharacter);
    }
    Ok(text.into_owned())
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(url: &str) -> Result<Self, UpstreamError> {
        match Self::parse_with_credentials(url)? {
            (upstream, None) => Ok(upstream),
            (_, Some(_)) => Err(UpstreamError::Password),
        }
    }
}

impl TryFrom<String> for Upstream {
    type Error = UpstreamError;

    fn try_from(url: String) -> Result<Self, UpstreamError> {
        url.parse()
    }
}

impl From<Upstream> for String {
    fn from(upstream: Upstream) -> Self {
        upstream.to_string()
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const USER: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        f.write_str("http://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", percent_encoding::utf8_percent_encode(user, USER))?;
        }
        f.write_str(&self.authority())
    }
}
