//! Request targets (RFC 9112, section 3.2).

use bytes::Bytes;

use super::RequestHead;
use crate::route::Destination;

/// Why a target, or the `Host` beside it, is refused: answer 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    #[error("this is a proxy: it wants CONNECT host:port, or a whole URL (http://host/path)")]
    NotForAProxy,
    #[error("a request to an origin wants a path; `*` is for OPTIONS alone")]
    NotForAnOrigin,
    #[error("a request has no fragment: nothing with # in it goes to a server")]
    Fragment,
    #[error("only http:// URLs are forwarded; https goes through CONNECT host:443")]
    Scheme,
    #[error("the URL names no valid host and port")]
    Authority,
    #[error("CONNECT wants host:port")]
    Connect,
    #[error("Host is missing, given twice, or invalid")]
    Host,
}

/// An absolute-form target, taken apart.
pub(super) struct Absolute {
    pub(super) destination: Destination,
    /// Path and query; `*` for OPTIONS without a path.
    pub(super) origin_form: Bytes,
}

/// `http://host[:port]/path?query`.
pub(super) fn absolute(head: &RequestHead) -> Result<Absolute, TargetError> {
    let target = &head.target;
    // RFC 9112, section 3.2: no target has one. Where the authority ends, two readers of
    // `http://a.test#@b.test` may see two hosts.
    if target.contains(&b'#') {
        return Err(TargetError::Fragment);
    }
    if target.starts_with(b"/") || &target[..] == b"*" {
        return Err(TargetError::NotForAProxy);
    }
    let scheme = target.get(..7).ok_or(TargetError::NotForAProxy)?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return Err(TargetError::Scheme);
    }
    let rest = target.slice(7..);
    let end = rest
        .iter()
        .position(|b| b"/?".contains(b))
        .unwrap_or(rest.len());
    let authority = std::str::from_utf8(&rest[..end]).map_err(|_| TargetError::Authority)?;
    // `user@host` is refused with the rest: it is neither a name nor an address.
    let destination = Destination::parse(authority, Some(80)).ok_or(TargetError::Authority)?;
    let path = rest.slice(end..);
    let origin_form = match path.first() {
        Some(b'/') => path,
        None if head.is("OPTIONS") => Bytes::from_static(b"*"),
        None => Bytes::from_static(b"/"),
        // A query without a path.
        Some(_) => [b"/", &path[..]].concat().into(),
    };
    Ok(Absolute {
        destination,
        origin_form,
    })
}

/// The target as an origin takes it: a path, or `*` of OPTIONS; `None` for anything else.
pub(super) fn origin_form(head: &RequestHead) -> Option<Bytes> {
    let target = &head.target;
    let is_path = target.starts_with(b"/") && !target.contains(&b'#');
    let is_all = &target[..] == b"*" && head.is("OPTIONS");
    (is_path || is_all).then(|| target.clone())
}

/// `host:port` of a CONNECT.
pub(super) fn connect(head: &RequestHead) -> Result<Destination, TargetError> {
    let target = std::str::from_utf8(&head.target).map_err(|_| TargetError::Connect)?;
    Destination::parse(target, None).ok_or(TargetError::Connect)
}

/// What `Host` names, with port 80 where it names none; `None` where an HTTP/1.0 client sent none
/// or the value is empty.
pub(super) fn host(head: &RequestHead) -> Result<Option<Destination>, TargetError> {
    let mut hosts = head.fields.all("host");
    let first = hosts.next();
    if hosts.next().is_some() {
        return Err(TargetError::Host);
    }
    match first {
        None if head.is_1_0 => Ok(None),
        None => Err(TargetError::Host),
        Some([]) => Ok(None),
        Some(value) => {
            let text = std::str::from_utf8(value).map_err(|_| TargetError::Host)?;
            let named = Destination::parse(text, Some(80)).ok_or(TargetError::Host)?;
            Ok(Some(named))
        }
    }
}

/// `host`, or `host:port` where the port is not 80: what stands in `Host` and in a URL.
pub(super) fn authority(to: &Destination) -> String {
    if to.port == 80 {
        to.host.to_string()
    } else {
        to.to_string()
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{TargetError, absolute, host};
    use crate::config::Limits;
    use crate::http::RequestHead;

    fn head(line: &str, hosts: &str) -> RequestHead {
        let text = format!("{line} HTTP/1.1\r\n{hosts}\r\n");
        let parsed = RequestHead::parse(&mut BytesMut::from(text.as_str()), &Limits::default());
        parsed.expect("head").expect("complete")
    }

    #[test]
    fn a_url_is_taken_apart() {
        for (line, destination, path) in [
            ("GET http://A.test/x?y", "a.test:80", "/x?y"),
            ("GET HTTP://a.test:8080", "a.test:8080", "/"),
            ("GET http://a.test:?q", "a.test:80", "/?q"),
            ("OPTIONS http://a.test", "a.test:80", "*"),
            ("GET http://[2001:db8::1]:81/", "[2001:db8::1]:81", "/"),
        ] {
            let target = absolute(&head(line, "Host: other\r\n")).map_err(|e| e.to_string());
            let target = target.expect(line);
            assert_eq!(target.destination.to_string(), destination);
            assert_eq!(&target.origin_form[..], path.as_bytes());
        }
    }

    #[test]
    fn a_target_that_is_none_of_a_proxy_is_refused() {
        for (line, error) in [
            ("GET /", TargetError::NotForAProxy),
            ("GET *", TargetError::NotForAProxy),
            ("GET https://a.test/", TargetError::Scheme),
            ("GET http://a.test/#b", TargetError::Fragment),
            ("GET http://a.test#@b.test/", TargetError::Fragment),
            ("GET /#b", TargetError::Fragment),
            ("GET http://user@a.test/", TargetError::Authority),
            ("GET http://a.test:99999/", TargetError::Authority),
            ("GET http:///x", TargetError::Authority),
        ] {
            assert_eq!(
                absolute(&head(line, "Host: a\r\n")).err(),
                Some(error),
                "{line}"
            );
        }
    }

    #[test]
    fn a_port_of_no_digits_is_the_usual_one() {
        let named = host(&head("GET /", "Host: a.test:\r\n")).expect("valid");
        assert_eq!(named.expect("named").to_string(), "a.test:80");
    }

    #[test]
    fn a_host_must_be_there_once_and_valid() {
        for hosts in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a b\r\n",
            "Host: a@b\r\n",
            "Host: a/b\r\n",
            "Host: :\r\n",
            "Host: a::\r\n",
        ] {
            assert_eq!(
                host(&head("GET /", hosts)).err(),
                Some(TargetError::Host),
                "{hosts:?}"
            );
        }
    }
}
