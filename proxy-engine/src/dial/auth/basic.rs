//! Basic credentials (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

/// The value of `Proxy-Authorization`: user and password in UTF-8, as they are.
pub(super) fn header(user: &str, password: &str) -> SecretString {
    let pair = SecretString::from(format!("{user}:{password}"));
    let encoded = STANDARD.encode(secrecy::ExposeSecret::expose_secret(&pair));
    SecretString::from(format!("Basic {encoded}"))
}

/// User and password of a header that was made here, with a colon between them.
pub(super) fn pair(header: &SecretString) -> SecretString {
    let encoded = secrecy::ExposeSecret::expose_secret(header).strip_prefix("Basic ");
    let decoded = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    SecretString::from(pair.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    #[test]
    fn user_and_password_come_out_of_a_header_as_they_went_in() {
        for (user, password) in [("ann", "s:3cret"), ("a:b", ""), ("é", "\u{1f511}\n")] {
            let pair = super::pair(&super::header(user, password));
            assert_eq!(pair.expose_secret(), format!("{user}:{password}"));
        }
    }

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let header = super::header("Aladdin", "open sesame");
        assert_eq!(header.expose_secret(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
