//! What a script is shown of a connection.

use std::fmt::Write as _;

use crate::route::{Destination, Host};

/// A longer URL is shown without its path.
const LONGEST: usize = 4096;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// A tunnel, TLS, a protocol that is not known: whatever is not a plain HTTP request.
    Tunnel,
    /// A plain HTTP request for this path and query.
    Request(&'a str),
}

/// The two arguments of `FindProxyForURL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The URL.
    pub url: String,
    /// Its host, without port and without brackets.
    pub host: String,
}

impl Shown {
    /// What is shown of a connection to `to`. Browsers show scripts no more of an `https` URL than
    /// its host and port, and no more is known here of a tunnel.
    pub fn new(to: &Destination, purpose: Purpose<'_>) -> Self {
        let (scheme, usual, path) = match purpose {
            Purpose::Tunnel => ("https", 443, "/"),
            Purpose::Request(path) if path.starts_with('/') && path.len() <= LONGEST => {
                ("http", 80, path)
            }
            Purpose::Request(_) => ("http", 80, "/"),
        };
        let mut url = String::with_capacity(64 + path.len());
        // A text takes whatever is written to it.
        let _ = write!(url, "{scheme}://{}", to.host);
        if to.port != usual {
            let _ = write!(url, ":{}", to.port);
        }
        url.push_str(path);
        Self {
            url,
            host: match &to.host {
                Host::Name(name) => name.clone(),
                Host::Ip(ip) => ip.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Shown};
    use crate::route::Destination;

    fn to(text: &str) -> Destination {
        Destination::parse(text, None).expect("destination")
    }

    #[test]
    fn a_script_sees_what_a_browser_would_show_it() {
        for (shown, url, host) in [
            (
                Shown::new(&to("a.test:443"), Purpose::Tunnel),
                "https://a.test/",
                "a.test",
            ),
            (
                Shown::new(&to("a.test:22"), Purpose::Tunnel),
                "https://a.test:22/",
                "a.test",
            ),
            (
                Shown::new(&to("[2001:db8::1]:443"), Purpose::Tunnel),
                "https://[2001:db8::1]/",
                "2001:db8::1",
            ),
            (
                Shown::new(&to("a.test:80"), Purpose::Request("/x?y=1")),
                "http://a.test/x?y=1",
                "a.test",
            ),
            (
                Shown::new(&to("10.0.0.1:8080"), Purpose::Request("*")),
                "http://10.0.0.1:8080/",
                "10.0.0.1",
            ),
        ] {
            assert_eq!((shown.url.as_str(), shown.host.as_str()), (url, host));
        }
    }

    #[test]
    fn a_path_without_end_is_not_shown() {
        let path = format!("/{}", "x".repeat(5000));
        let shown = Shown::new(&to("a.test:80"), Purpose::Request(&path));
        assert_eq!(shown.url, "http://a.test/");
    }
}
