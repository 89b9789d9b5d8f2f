//! What a proxy says about how to log in (RFC 9110, section 11.6.1).

/// Challenges of one answer that are looked at. Real proxies offer four or five.
const MOST: usize = 16;
/// Parameters of one challenge that are looked at; Digest has nine.
const MOST_PARAMETERS: usize = 32;

/// One challenge: a scheme, and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// In lower case: `basic`, `digest`, `ntlm`, `negotiate`, …
    pub scheme: String,
    /// What NTLM and Negotiate say, in base64.
    pub token: Option<String>,
    /// Names in lower case, values unquoted, in order.
    pub parameters: Vec<(String, Vec<u8>)>,
}

impl Challenge {
    /// The first value of the parameter.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let found = self.parameters.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_slice())
    }
}

/// The challenges in these `Proxy-Authenticate` fields, in order. Several may stand in one field, and
/// a comma divides them as well as their parameters. From what is malformed on, the rest of its field
/// is left out; so is what nobody needs so much of.
pub fn challenges<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Vec<Challenge> {
    let mut found = Vec::new();
    for field in fields {
        let mut rest = Rest(field);
        // A parameter belongs to the challenge before it in the same field.
        let first = found.len();
        while rest.next_into(&mut found, first).is_some() {}
    }
    found
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Reads the next challenge or parameter; `None` at the end, and where it is malformed.
    fn next_into(&mut self, found: &mut Vec<Challenge>, first: usize) -> Option<()> {
        self.skip(|b| matches!(b, b' ' | b'\t' | b','));
        let word = self.take(is_token)?;
        let behind = self.0;
        self.skip(is_space);
        if self.0.first() == Some(&b'=') && found.len() > first {
            self.0 = &self.0[1..];
            self.skip(is_space);
            let value = self.value()?;
            // What has a token has no parameters.
            let challenge = found.last_mut().filter(|last| last.token.is_none())?;
            if challenge.parameters.len() < MOST_PARAMETERS {
                challenge.parameters.push((lower(word), value));
            }
            return Some(());
        }
        if found.len() == MOST {
            return None;
        }
        let token = (self.0.len() < behind.len())
            .then(|| self.token68())
            .flatten();
        found.push(Challenge {
            scheme: lower(word),
            token,
            parameters: Vec::new(),
        });
        Some(())
    }

    /// A token68, where one stands here up to the next comma or the end.
    fn token68(&mut self) -> Option<String> {
        let is_digit = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        };
        let digits = self.0.iter().take_while(|b| is_digit(**b)).count();
        let padding = self.0[digits..].iter().take_while(|b| **b == b'=').count();
        let (token, behind) = self.0.split_at(digits + padding);
        let mut after = Rest(behind);
        after.skip(is_space);
        if digits == 0 || !matches!(after.0.first(), None | Some(b',')) {
            return None;
        }
        self.0 = behind;
        Some(String::from_utf8_lossy(token).into_owned())
    }

    /// A token or a quoted string.
    fn value(&mut self) -> Option<Vec<u8>> {
        if self.0.first() != Some(&b'"') {
            return self.take(is_token).map(<[u8]>::to_vec);
        }
        let mut value = Vec::new();
        let mut bytes = self.0[1..].iter().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.0 = &self.0[at + 2..];
                    return Some(value);
                }
                b'\\' => value.push(*bytes.next()?.1),
                byte => value.push(*byte),
            }
        }
        None
    }

    fn take(&mut self, belongs: fn(u8) -> bool) -> Option<&'a [u8]> {
        let length = self.0.iter().take_while(|b| belongs(**b)).count();
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn skip(&mut self, belongs: fn(u8) -> bool) {
        let _ = self.take(belongs);
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{Challenge, challenges};

    fn read(fields: &[&str]) -> Vec<Challenge> {
        challenges(fields.iter().map(|field| field.as_bytes()))
    }

    fn shown(fields: &[&str]) -> Vec<String> {
        let show = |c: Challenge| {
            let mut text = c.scheme;
            if let Some(token) = c.token {
                text.push(' ');
                text.push_str(&token);
            }
            for (name, value) in c.parameters {
                let value = String::from_utf8_lossy(&value);
                text = format!("{text} {name}=<{value}>");
            }
            text
        };
        read(fields).into_iter().map(show).collect()
    }

    #[test]
    fn challenges_are_told_apart_in_one_field_and_in_several() {
        let in_one = r#"Negotiate, NTLM TlRMTVNTUAAC==, Digest realm="a, \"b\"", Nonce = x ,qop="auth,auth-int",Basic realm=c"#;
        let expected = [
            "negotiate",
            "ntlm TlRMTVNTUAAC==",
            r#"digest realm=<a, "b"> nonce=<x> qop=<auth,auth-int>"#,
            "basic realm=<c>",
        ];
        assert_eq!(shown(&[in_one]), expected);
        let in_several = [
            "Negotiate",
            "ntlm  TlRMTVNTUAAC== ",
            r#"DIGEST realm="a, \"b\"",nonce=x, qop="auth,auth-int""#,
            ",, Basic realm=c,",
        ];
        assert_eq!(shown(&in_several), expected);
    }

    #[test]
    fn a_parameter_never_belongs_to_a_challenge_of_another_field() {
        assert_eq!(
            shown(&["Digest nonce=a", "realm=b"]),
            ["digest nonce=<a>", "realm"]
        );
    }

    #[test]
    fn what_is_malformed_says_nothing_and_hides_no_other_field() {
        for field in [
            "",
            "\"Basic\"",
            "=x",
            "Basic realm=\"open",
            "Basic abc=, realm=x",
            "Basic realm=\"open\\",
            "Basic realm=",
            "\u{1}",
        ] {
            let read = read(&[field, "NTLM"]);
            assert_eq!(read.last().expect("one").scheme, "ntlm", "{field:?}");
            assert!(read.iter().all(|c| c.parameters.is_empty()), "{field:?}");
        }
    }

    #[test]
    fn a_flood_of_challenges_costs_little() {
        let many = "Basic a=b, ".repeat(5000);
        assert_eq!(read(&[&many]).len(), 16);
        let long = format!("Digest {}", "a=b, ".repeat(5000));
        assert_eq!(read(&[&long])[0].parameters.len(), 32);
    }
}
