//! Digest (RFC 7616): the password itself is never sent.

use std::fmt::Write as _;

use md5::Md5;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use super::Challenge;

/// How a proxy wants it, and how often its nonce was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    algorithm: Algorithm,
    /// `-sess`: the first hash is made of nonce and cnonce, too.
    with_nonces: bool,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// Whether `qop=auth` is offered; without, the proxy is as old as RFC 2069.
    has_quality: bool,
    /// Whether the name of the user is sent as a hash.
    hashes_user: bool,
    /// Whether a name that is not ASCII may be sent as RFC 8187 has it.
    speaks_unicode: bool,
    cnonce: String,
    count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Self::Md5 => hex(&Md5::digest(joined)),
            Self::Sha256 => hex(&Sha256::digest(joined)),
        }
    }
}

impl Session {
    /// The best of what is offered that can be answered here; `None` where nothing can.
    pub(super) fn of(challenges: &[Challenge]) -> Option<Self> {
        let offers = challenges.iter().filter(|c| c.scheme == "digest");
        let usable = offers.filter_map(Self::offered);
        // The first of the strongest: `max_by_key` would take the last.
        usable.reduce(|best, next| {
            if next.algorithm > best.algorithm {
                next
            } else {
                best
            }
        })
    }

    fn offered(challenge: &Challenge) -> Option<Self> {
        let name = match challenge.parameter("algorithm") {
            Some(name) => String::from_utf8_lossy(name).to_ascii_lowercase(),
            None => "md5".into(),
        };
        let (algorithm, with_nonces) = match name.as_str() {
            "md5" => (Algorithm::Md5, false),
            "md5-sess" => (Algorithm::Md5, true),
            "sha-256" => (Algorithm::Sha256, false),
            "sha-256-sess" => (Algorithm::Sha256, true),
            _ => return None,
        };
        let has_quality = match challenge.parameter("qop") {
            // `auth-int` alone would need the body before its head.
            Some(offered) => {
                let mut words = offered.split(|b| *b == b',').map(<[u8]>::trim_ascii);
                if !words.any(|word| word.eq_ignore_ascii_case(b"auth")) {
                    return None;
                }
                true
            }
            None => false,
        };
        let is_true = |name| {
            let value = challenge.parameter(name);
            value.is_some_and(|value| value.eq_ignore_ascii_case(b"true"))
        };
        let charset = challenge.parameter("charset");
        Some(Self {
            algorithm,
            with_nonces,
            realm: challenge.parameter("realm")?.to_vec(),
            nonce: challenge.parameter("nonce")?.to_vec(),
            opaque: challenge.parameter("opaque").map(<[u8]>::to_vec),
            has_quality,
            hashes_user: is_true("userhash"),
            speaks_unicode: charset.is_some_and(|c| c.eq_ignore_ascii_case(b"utf-8")),
            cnonce: cnonce()?,
            count: 0,
        })
    }

    /// The count of the next answer is somebody else's.
    pub(super) fn count_on(&mut self) {
        self.count = self.count.wrapping_add(1);
    }

    /// Whether the name can be written in a field here: a line break in it would end the field.
    pub(super) fn can_name(&self, user: &str) -> bool {
        self.hashes_user || self.names_extended(user) || !user.contains(char::is_control)
    }

    fn names_extended(&self, user: &str) -> bool {
        self.speaks_unicode && user.bytes().any(|b| !(b' '..=b'~').contains(&b))
    }

    /// Whether the proxy says that the password was right and only the nonce too old.
    pub(super) fn is_stale(challenges: &[Challenge]) -> bool {
        challenges.iter().any(|c| {
            let stale = c.parameter("stale");
            c.scheme == "digest" && stale.is_some_and(|s| s.eq_ignore_ascii_case(b"true"))
        })
    }

    /// The value of `Proxy-Authorization` for one request; each has another count.
    pub(super) fn answer(
        &mut self,
        user: &str,
        password: &SecretString,
        method: &[u8],
        target: &[u8],
    ) -> Vec<u8> {
        self.count_on();
        let count = format!("{:08x}", self.count);
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let (cnonce, nonce) = (self.cnonce.as_bytes(), self.nonce.as_slice());
        let secret = password.expose_secret().as_bytes();
        let mut who = hash(&[user.as_bytes(), &self.realm, secret]);
        if self.with_nonces {
            who = hash(&[who.as_bytes(), nonce, cnonce]);
        }
        let what = hash(&[method, target]);
        let (who, what) = (who.as_bytes(), what.as_bytes());
        let response = if self.has_quality {
            hash(&[who, nonce, count.as_bytes(), cnonce, b"auth", what])
        } else {
            hash(&[who, nonce, what])
        };
        let mut out = b"Digest ".to_vec();
        if self.hashes_user {
            quote(
                &mut out,
                "username",
                hash(&[user.as_bytes(), &self.realm]).as_bytes(),
            );
        } else if self.names_extended(user) {
            out.extend_from_slice(b"username*=UTF-8''");
            out.extend_from_slice(extended(user).as_bytes());
        } else {
            quote(&mut out, "username", user.as_bytes());
        }
        for (name, value) in [
            ("realm", self.realm.as_slice()),
            ("nonce", nonce),
            ("uri", target),
            ("response", response.as_bytes()),
        ] {
            out.extend_from_slice(b", ");
            quote(&mut out, name, value);
        }
        let algorithm = match (self.algorithm, self.with_nonces) {
            (Algorithm::Md5, false) => "MD5",
            (Algorithm::Md5, true) => "MD5-sess",
            (Algorithm::Sha256, false) => "SHA-256",
            (Algorithm::Sha256, true) => "SHA-256-sess",
        };
        out.extend_from_slice(format!(", algorithm={algorithm}").as_bytes());
        if let Some(opaque) = &self.opaque {
            out.extend_from_slice(b", ");
            quote(&mut out, "opaque", opaque);
        }
        if self.has_quality {
            out.extend_from_slice(format!(", qop=auth, nc={count}").as_bytes());
        }
        if self.has_quality || self.with_nonces {
            out.extend_from_slice(b", ");
            quote(&mut out, "cnonce", cnonce);
        }
        if self.hashes_user {
            out.extend_from_slice(b", userhash=true");
        }
        out
    }
}

/// `name="value"`, as RFC 9110, section 5.6.4, has it.
fn quote(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// RFC 8187, section 3.2.1.
fn extended(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// `None` where the system gives no random bytes.
fn cnonce() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::challenges;
    use super::Session;

    fn offered(fields: &[&str]) -> Option<Session> {
        let fields: Vec<_> = challenges(fields.iter().map(|f| f.as_bytes()));
        Session::of(&fields)
    }

    fn answer(session: &mut Session, user: &str, password: &str, target: &str) -> String {
        let answer = session.answer(user, &password.into(), b"GET", target.as_bytes());
        String::from_utf8(answer).expect("text")
    }

    /// RFC 7616, section 3.9.1.
    fn of_the_rfc(algorithm: &str) -> Session {
        let field = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let mut session = offered(&[&field]).expect("usable");
        session.cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into();
        session
    }

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let mut session = of_the_rfc(algorithm);
            let said = answer(&mut session, "Mufasa", "Circle of Life", "/dir/index.html");
            for part in [
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", ",
                &format!("response=\"{response}\", algorithm={algorithm}, opaque=\"FQhe/qaU"),
                "uri=\"/dir/index.html\"",
                "qop=auth, nc=00000001, cnonce=\"f2/wE4",
            ] {
                assert!(said.contains(part), "{part} in {said}");
            }
            let again = answer(&mut session, "Mufasa", "Circle of Life", "/dir/index.html");
            assert!(
                again.contains("nc=00000002") && !again.contains(response),
                "{again}"
            );
        }
    }

    #[test]
    fn the_example_of_rfc_2069_without_a_quality_comes_out() {
        // As its erratum 749 has it.
        let field = "Digest realm=\"testrealm@host.com\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let mut session = offered(&[field]).expect("usable");
        let said = answer(&mut session, "Mufasa", "CircleOfLife", "/dir/index.html");
        assert!(
            said.contains("response=\"1949323746fe6a43ef61f9606e7febea\""),
            "{said}"
        );
        assert!(!said.contains("qop") && !said.contains("cnonce"), "{said}");
    }

    #[test]
    fn a_session_hashes_its_nonces_and_a_hashed_user_is_not_named() {
        let field = "Digest realm=\"api@example.org\", qop=auth, algorithm=SHA-256-sess, \
             nonce=\"abc\", userhash=true, charset=UTF-8";
        let mut session = offered(&[field]).expect("usable");
        session.cnonce = "def".into();
        let said = answer(&mut session, "Jäsøn Doe", "Secret, or not?", "/doe.json");
        // Both reckoned by another program (Python's hashlib).
        for part in [
            "username=\"5a1a8a47df5c298551b9b42ba9b05835174a5bd7d511ff7fe9191d8e946fc4e7\"",
            "response=\"66e7abd34703cfd5baab3bde487efccfbcfdfcca06ac0b69eb964c54ca912a05\"",
            "userhash=true",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!said.contains("Doe"), "{said}");
    }

    #[test]
    fn the_strongest_that_can_be_answered_is_taken() {
        let md5 = "Digest realm=r, nonce=m, qop=auth";
        let sha = "Digest realm=r, nonce=s, qop=auth, algorithm=SHA-256";
        let unknown = "Digest realm=r, nonce=u, algorithm=SHA-9";
        let whole = "Digest realm=r, nonce=w, qop=auth-int, algorithm=SHA-256";
        for (offers, nonce) in [
            (&[md5, sha][..], &b"s"[..]),
            (&[sha, md5], b"s"),
            (&[unknown, whole, md5], b"m"),
        ] {
            assert_eq!(offered(offers).expect("one").nonce, nonce, "{offers:?}");
        }
        for useless in [
            unknown,
            whole,
            "Digest realm=r",
            "Digest nonce=n",
            "Basic realm=r",
        ] {
            assert_eq!(offered(&[useless]), None, "{useless}");
        }
    }

    #[test]
    fn a_name_of_any_characters_ends_no_field_and_no_string() {
        let mut session = offered(&["Digest realm=\"r\\\"\", nonce=n, qop=auth"]).expect("usable");
        let said = answer(&mut session, "an\"na\\ ü", "pw", "a.test:443");
        assert!(
            said.contains("username=\"an\\\"na\\\\ ü\", realm=\"r\\\"\""),
            "{said}"
        );
        let field = "Digest realm=r, nonce=n, qop=auth, charset=utf-8";
        let mut extended = offered(&[field]).expect("usable");
        let said = answer(&mut extended, "ü\r\nb", "pw", "/");
        assert!(said.contains("username*=UTF-8''%C3%BC%0D%0Ab, "), "{said}");
        assert!(extended.can_name("a\nb") && !session.can_name("a\nb") && session.can_name("ü"));
    }
}
