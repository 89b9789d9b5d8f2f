//! `ProxyServer`: one list for everything (`proxy:3128,direct://`), or lists by the address's scheme
//! (`http=a:80;https=b:80;socks=c:1080`).
//!
//! Without a scheme a proxy is an HTTP one; in `socks=` it is SOCKS 4, while the scheme `socks://`
//! is SOCKS 5. Without a port it is the scheme's own: 80, 443, 1080.
//!
//! The browsers of Chromium's family write it so, and Windows, with blanks between lists, too, and
//! one proxy in each (`WINHTTP_PROXY_INFO`).

use proxy_engine::config::{Scheme, Upstream};

use super::Lost;

/// What stands between the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separators {
    Semicolons,
    SemicolonsOrBlanks,
}

/// What the list says.
#[derive(Debug)]
pub(super) enum Servers {
    /// No proxy.
    Direct,
    /// The first of the list for HTTPS, else for HTTP, else for the rest.
    Proxy { upstream: Upstream, lost: Vec<Lost> },
    /// One that cannot be spoken to.
    Unusable { proxy: String, reason: String },
}

/// Reads the list.
///
/// # Errors
/// A sentence: it names no proxy, or one that is not well formed.
pub(super) fn read(text: &str, separators: Separators) -> Result<Servers, String> {
    let mut lost = Vec::new();
    let followed = chosen(text, separators, &mut lost)?;
    let mut servers = followed.entries.split(',').map(str::trim);
    let first = servers
        .by_ref()
        .find(|entry| !entry.is_empty())
        .ok_or("names no proxy: write HOST:PORT")?;
    if servers.any(|entry| !entry.is_empty()) {
        lost.push("further proxies stand in the list; the first is followed".into());
    }
    if first.eq_ignore_ascii_case("direct://") {
        return Ok(Servers::Direct);
    }
    let (scheme, address) = match first.split_once("://") {
        None => (followed.usual, first),
        Some((scheme, address)) => match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, address),
            "https" => (Scheme::Https, address),
            "socks4" => (Scheme::Socks4, address),
            // Names are resolved by the proxy, as the browsers have it always.
            "socks" | "socks5" => (Scheme::Socks5h, address),
            other => {
                return Ok(Servers::Unusable {
                    proxy: format!("{} proxy", other.escape_debug()),
                    reason: proxy_engine::config::UpstreamError::Scheme(other.to_owned())
                        .to_string(),
                });
            }
        },
    };
    // Nobody reads users and passwords here; what may be one is not shown.
    if address.contains('@') {
        return Err("the proxy holds a user or a password: none is read there".to_owned());
    }
    let address = address.trim_end_matches('/');
    let bare = address.rsplit(']').next().unwrap_or(address);
    let with_port = if bare.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:{}", usual_port(scheme))
    };
    let upstream = format!("{}://{with_port}", scheme.as_str())
        .parse()
        .map_err(|error: proxy_engine::config::UpstreamError| {
            format!("the proxy `{}`: {error}", first.escape_debug())
        })?;
    Ok(Servers::Proxy { upstream, lost })
}

/// The list that is followed, and how its proxies are spoken to where it does not say so.
struct List<'a> {
    entries: &'a str,
    usual: Scheme,
}

fn chosen<'a>(
    text: &'a str,
    separators: Separators,
    lost: &mut Vec<Lost>,
) -> Result<List<'a>, String> {
    let (mut http, mut https, mut rest) = (None, None, None);
    let separates = |c: char| {
        c == ';' || separators == Separators::SemicolonsOrBlanks && c.is_ascii_whitespace()
    };
    for part in text
        .split(separates)
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let Some((scheme, entries)) = part.split_once('=') else {
            if http.or(https).or(rest).is_some() {
                // Its own reader passes over it, too.
                continue;
            }
            return Ok(List {
                entries: part,
                usual: Scheme::Http,
            });
        };
        match scheme.trim() {
            "http" => http = Some(entries),
            "https" => https = Some(entries),
            "socks" => rest = Some(entries),
            // `ftp`, which no browser speaks any more, and what none knows.
            _ => {}
        }
    }
    match (https, http, rest) {
        (Some(https), http, rest) => {
            if http
                .or(rest)
                .is_some_and(|other| other.trim() != https.trim())
            {
                lost.push(Lost::other_for_http());
            }
            Ok(List {
                entries: https,
                usual: Scheme::Http,
            })
        }
        (None, Some(http), None) => {
            lost.push(Lost::none_for_https());
            Ok(List {
                entries: http,
                usual: Scheme::Http,
            })
        }
        // As there: HTTPS goes to what serves the rest.
        (None, other, Some(rest)) => {
            if other.is_some() {
                lost.push(Lost::other_for_http());
            }
            Ok(List {
                entries: rest,
                usual: Scheme::Socks4,
            })
        }
        (None, None, None) => Err("names no proxy: write HOST:PORT".to_owned()),
    }
}

fn usual_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
        _ => 1080,
    }
}
