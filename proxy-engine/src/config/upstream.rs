//! A proxy that the engine forwards to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A proxy to forward to: `http://proxy.example.com:8080`, `socks5h://user@proxy:1080`; never with
/// a password in it.
///
/// Written as a URL. Without a scheme it is `http`; a port is always named. [`Upstream::parse_with_credentials`] takes what people write, with
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

/// How the proxy is spoken to. The words are curl's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 in clear: CONNECT and absolute-form.
    Http,
    /// The same inside of TLS: the proxy shows a certificate for its name.
    Https,
    /// SOCKS 4: names are resolved here, and only IPv4 addresses can be asked for.
    Socks4,
    /// SOCKS 4a: the proxy resolves names.
    Socks4a,
    /// SOCKS 5 (RFC 1928): names are resolved here.
    Socks5,
    /// SOCKS 5: the proxy resolves names.
    Socks5h,
}

impl Scheme {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Http,
        Self::Https,
        Self::Socks4,
        Self::Socks4a,
        Self::Socks5,
        Self::Socks5h,
    ];

    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks4 => "socks4",
            Self::Socks4a => "socks4a",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    /// Whether the proxy understands HTTP: CONNECT, and requests in absolute form.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether the proxy can ask for a user and password.
    pub fn knows_users(self) -> bool {
        !matches!(self, Self::Socks4 | Self::Socks4a)
    }

    /// The scheme that is written so, in whatever case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
    }
}

/// Why a proxy URL was refused. The message never holds the URL: it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// A control character (newline, NUL, …) or a space.
    #[error("the proxy URL holds a control character or a space")]
    ControlCharacter,
    /// A scheme that the engine cannot speak to a proxy.
    #[error(
        "proxies of scheme `{0}` are not supported: write http://HOST:PORT, https://HOST:PORT or \
         socks5h://HOST:PORT"
    )]
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
    /// A user for SOCKS 4, which knows no password.
    #[error(
        "SOCKS 4 knows no user and password: write socks5h://USER@HOST:PORT, or leave them out"
    )]
    NoUser,
    /// A path, query or fragment.
    #[error("the proxy URL has a path: write http://HOST:PORT")]
    Path,
}

impl Upstream {
    /// Whether a user who logged in at `self` is the same at `proxy`: one host and port, spoken to as
    /// the user said, or in TLS although they said nothing of it. A password that was given for TLS
    /// never goes in clear.
    pub fn is_login_at(&self, proxy: &Self) -> bool {
        let scheme = (self.scheme(), proxy.scheme());
        self.authority() == proxy.authority()
            && (scheme.0 == scheme.1 || scheme.0 == Scheme::Http && proxy.scheme().knows_users())
    }

    /// The upstream and, where the URL carried one, its password.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub fn parse_with_credentials(url: &str) -> Result<(Self, Option<String>), UpstreamError> {
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UpstreamError::ControlCharacter);
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let scheme =
            Scheme::parse(scheme).ok_or_else(|| UpstreamError::Scheme(scheme.to_owned()))?;
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
        if user.is_some() && !scheme.knows_users() {
            return Err(UpstreamError::NoUser);
        }
        Ok((
            Self {
                scheme,
                host,
                port,
                user,
            },
            password,
        ))
    }

    /// The proxy at `host` (a name, or an address with or without brackets), which asks for no
    /// credentials.
    ///
    /// # Errors
    /// [`UpstreamError::Host`], [`UpstreamError::Port`].
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Result<Self, UpstreamError> {
        let host = match crate::route::Host::parse(host).ok_or(UpstreamError::Host)? {
            crate::route::Host::Name(name) => name,
            crate::route::Host::Ip(ip) => ip.to_string(),
        };
        if port == 0 {
            return Err(UpstreamError::Port);
        }
        Ok(Self {
            scheme,
            host,
            port,
            user: None,
        })
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

    /// The same upstream, asking for the credentials of `user`; one that knows no users stays as it
    /// is.
    #[must_use]
    pub fn with_user(mut self, user: Option<String>) -> Self {
        self.user = user.filter(|user| !user.is_empty() && self.scheme.knows_users());
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
        write!(f, "{}://", self.scheme.as_str())?;
        if let Some(user) = &self.user {
            write!(f, "{}@", percent_encoding::utf8_percent_encode(user, USER))?;
        }
        f.write_str(&self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheme, Upstream, UpstreamError};

    #[test]
    fn every_scheme_is_written_as_it_is_read() {
        for scheme in Scheme::ALL {
            for host in ["proxy.test:1080", "192.0.2.1:1080", "[2001:db8::1]:1080"] {
                let (user, written) = if scheme.knows_users() {
                    (Some("ann b"), "ann%20b@")
                } else {
                    (None, "")
                };
                let word = scheme.as_str();
                let text = format!("{}://{written}{host}", word.to_ascii_uppercase());
                let upstream: Upstream = text.parse().expect(&text);
                assert_eq!(upstream.scheme(), scheme);
                assert_eq!(upstream.user(), user);
                assert_eq!(upstream.to_string(), format!("{word}://{written}{host}"));
                let bare = Upstream::new(scheme, upstream.host(), 1080).expect("valid");
                assert_eq!(bare, upstream.with_user(None));
            }
        }
        let plain: Upstream = "proxy.test:3128".parse().expect("valid");
        assert_eq!(plain.scheme(), Scheme::Http);
    }

    #[test]
    fn a_user_that_could_not_be_told_is_refused() {
        for scheme in ["socks4", "socks4a"] {
            let error = format!("{scheme}://ann@proxy.test:1080").parse::<Upstream>();
            assert_eq!(error, Err(UpstreamError::NoUser));
        }
    }

    #[test]
    fn a_scheme_that_nobody_speaks_is_refused_by_its_name() {
        for (url, named) in [
            ("ftp://proxy.test:21", "ftp"),
            ("socks://proxy.test:1080", "socks"),
            ("://proxy.test:1", ""),
        ] {
            let error = url.parse::<Upstream>().expect_err(url);
            assert_eq!(error, UpstreamError::Scheme(named.into()), "{url}");
        }
        for (host, port) in [("a b", 1), ("", 1), ("proxy.test", 0), ("a\r\nb", 1)] {
            assert!(
                Upstream::new(Scheme::Socks5, host, port).is_err(),
                "{host:?}"
            );
        }
    }
}
