//! What a script answers: `PROXY a.test:8080; SOCKS5 b.test:1080; DIRECT`.

use crate::config::{Scheme, Upstream, Way};

/// No answer in use is longer.
const LONGEST: usize = 4096;
/// Nor has more ways.
const MOST: usize = 16;

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Longer than a list of proxies can be.
    #[error("the script answered {0} bytes, which is no list of proxies")]
    TooLong(usize),
    /// No way in it is one.
    #[error("the script answered {0:?}, which names no way")]
    NoWay(String),
}

/// The ways of an answer, in order. What is no way is passed over, and so is everything behind the
/// sixteenth. The empty answer means that no proxy is used (the first description of the format,
/// Netscape's of 1996, says so of the empty text).
///
/// | word | way |
/// |---|---|
/// | `DIRECT` | no proxy |
/// | `PROXY`, `HTTP` | HTTP, usually at port 80 |
/// | `HTTPS` | HTTP over TLS, usually at port 443 |
/// | `SOCKS`, `SOCKS4` | SOCKS version 4a, usually at port 1080 |
/// | `SOCKS5` | SOCKS version 5, which resolves names there |
///
/// # Errors
/// See [`AnswerError`].
pub fn ways(answer: &str) -> Result<Vec<Way>, AnswerError> {
    if answer.len() > LONGEST {
        return Err(AnswerError::TooLong(answer.len()));
    }
    if answer.trim().is_empty() {
        return Ok(vec![Way::Direct]);
    }
    let ways: Vec<Way> = answer.split(';').filter_map(way).take(MOST).collect();
    if ways.is_empty() {
        let shown: String = answer.chars().take(80).collect();
        return Err(AnswerError::NoWay(shown));
    }
    Ok(ways)
}

fn way(entry: &str) -> Option<Way> {
    let mut words = entry.split_ascii_whitespace();
    let kind = words.next()?.to_ascii_uppercase();
    let (scheme, usual) = match kind.as_str() {
        "DIRECT" => return words.next().is_none().then_some(Way::Direct),
        "PROXY" | "HTTP" => (Scheme::Http, 80),
        "HTTPS" => (Scheme::Https, 443),
        "SOCKS" | "SOCKS4" => (Scheme::Socks4a, 1080),
        "SOCKS5" => (Scheme::Socks5h, 1080),
        _ => return None,
    };
    let (Some(at), None) = (words.next(), words.next()) else {
        return None;
    };
    let (host, port) = match at.rsplit_once(':') {
        // The last colon inside brackets belongs to the address.
        Some((host, port)) if !port.contains(']') => (host, number(port)?),
        _ => (at, usual),
    };
    // A bare IPv6 address cannot be told from host and port.
    if host.contains(':') && !host.starts_with('[') {
        return None;
    }
    // It never names a user: that would be the script's, and the user's password would be asked for.
    Upstream::new(scheme, host, port).ok().map(Way::Upstream)
}

fn number(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ways;
    use crate::config::Way;

    fn shown(answer: &str) -> Vec<String> {
        let ways = ways(answer).unwrap_or_default();
        ways.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ways_are_taken_in_their_order() {
        for (answer, want) in [
            ("DIRECT", vec!["direct"]),
            ("", vec!["direct"]),
            (
                "PROXY a.test:8080; proxy B.test ;DIRECT;",
                vec!["http://a.test:8080", "http://b.test:80", "direct"],
            ),
            ("HTTP a.test:1", vec!["http://a.test:1"]),
            (
                "HTTPS a.test; HTTPS a.test:8443",
                vec!["https://a.test:443", "https://a.test:8443"],
            ),
            (
                "SOCKS a.test; SOCKS4 a.test:1; SOCKS5 a.test:2",
                vec![
                    "socks4a://a.test:1080",
                    "socks4a://a.test:1",
                    "socks5h://a.test:2",
                ],
            ),
            (
                "PROXY [2001:db8::1]:3128",
                vec!["http://[2001:db8::1]:3128"],
            ),
            ("PROXY [2001:db8::1]", vec!["http://[2001:db8::1]:80"]),
        ] {
            assert_eq!(shown(answer), want, "{answer}");
        }
    }

    #[test]
    fn what_is_no_way_is_passed_over_and_never_becomes_direct() {
        for answer in [
            "QUIC a.test:443",
            "PROXY",
            "PROXY a.test:0",
            "PROXY a.test:",
            "PROXY a.test:+1",
            "PROXY 2001:db8::1:80",
            "PROXY [2001:db8::1",
            "PROXY a.test:8080 b.test:8080",
            "PROXY user:canary@a.test:8080",
            "PROXY http://a.test:8080",
            "DIRECTLY",
            "DIRECT now",
            "undefined",
            ";;;",
            "PROXY a b; <html>",
        ] {
            assert_eq!(shown(answer), Vec::<String>::new(), "{answer}");
        }
        assert_eq!(
            shown("QUIC a.test:443; PROXY b.test:1"),
            ["http://b.test:1"]
        );
    }

    #[test]
    fn an_answer_without_end_is_refused() {
        assert!(ways(&"PROXY a.test:1;".repeat(1000)).is_err());
        assert_eq!(shown(&"PROXY a.test:1;".repeat(100)).len(), 16);
    }

    proptest! {
        #[test]
        fn no_answer_makes_a_proxy_that_may_not_be_dialled(answer in "(PROXY|DIRECT|SOCKS5|HTTPS|[ -~]{0,12}|[; ])([ -~\\u{0}-\\u{20}]{0,30};?){0,4}") {
            for way in ways(&answer).unwrap_or_default() {
                if let Way::Upstream(upstream) = way {
                    prop_assert!(upstream.user().is_none());
                    prop_assert!(upstream.port() != 0);
                    let bare = upstream.host();
                    prop_assert!(!bare.contains(|c: char| c.is_control() || c.is_whitespace()));
                }
            }
        }
    }
}
