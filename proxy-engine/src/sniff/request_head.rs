//! Whether the first bytes are an HTTP/1 request to an origin.

/// A longer request line is not waited for.
const LINE_LIMIT: usize = 16 * 1024;

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// So far they could be a request.
    Incomplete,
    /// They are none, whatever follows.
    NotHttp,
    /// A request in origin form.
    Request,
}

/// Looks at a request line: a method in capitals, a path (or `*`), `HTTP/1.x`. What goes to a
/// proxy (CONNECT, absolute form) and the HTTP/2 preface count as no request: they go on as bytes.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    let line = match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => &bytes[..end],
        None => bytes,
    };
    let whole = line.len() < bytes.len();
    let method = line
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || **b == b'-')
        .count();
    if method > 32 {
        return Sniffed::NotHttp;
    }
    match line.get(method..) {
        Some([]) if !whole => return Sniffed::Incomplete,
        Some([b' ']) if method > 0 && !whole => return Sniffed::Incomplete,
        Some([b' ', b'/' | b'*', ..]) if method > 0 => {}
        Some(_) | None => return Sniffed::NotHttp,
    }
    if line.len() > LINE_LIMIT || line.starts_with(b"PRI * ") || line.contains(&0) {
        return Sniffed::NotHttp;
    }
    if !whole {
        return Sniffed::Incomplete;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") {
        Sniffed::Request
    } else {
        Sniffed::NotHttp
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Sniffed, sniff};

    proptest! {
        #[test]
        fn the_answer_for_growing_prefixes_never_changes_once_decided(
            line in "[A-Z -]{0,9}(/[ -~]{0,20}|\\*|)( HTTP/[0-2]\\.[0-2])?[\r\n\0]{0,3}[ -~]{0,9}",
        ) {
            let mut decided = Sniffed::Incomplete;
            for end in 0..=line.len() {
                let now = sniff(&line.as_bytes()[..end]);
                prop_assert!(decided == Sniffed::Incomplete || decided == now, "{} {}", end, line);
                decided = now;
            }
        }
    }

    #[test]
    fn a_request_is_told_apart_and_stays_what_it_is() {
        for (bytes, sniffed) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n"[..], Sniffed::Request),
            (b"M-SEARCH * HTTP/1.1\r\n", Sniffed::Request),
            (b"OPTIONS * HTTP/1.0\n", Sniffed::Request),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Sniffed::NotHttp),
            (b"CONNECT a:443 HTTP/1.1\r\n", Sniffed::NotHttp),
            (b"GET http://a/ HTTP/1.1\r\n", Sniffed::NotHttp),
            (b"GET /\r\n", Sniffed::NotHttp),
            (b"GET /\0 HTTP/1.1\r\n", Sniffed::NotHttp),
            (b"SSH-2.0-OpenSSH\r\n", Sniffed::NotHttp),
            (b"\r\n", Sniffed::NotHttp),
            (b"\x16\x03\x01", Sniffed::NotHttp),
        ] {
            let mut decided = None;
            for end in 0..=bytes.len() {
                let now = sniff(&bytes[..end]);
                match decided {
                    None if now != Sniffed::Incomplete => decided = Some(now),
                    None => {}
                    Some(before) => assert_eq!(before, now, "{bytes:?} {end}"),
                }
            }
            assert_eq!(decided, Some(sniffed), "{bytes:?}");
        }
    }
}
