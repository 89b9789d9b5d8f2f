//! Basic credentials (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// The value of `Proxy-Authorization`: user and password in UTF-8, as they are.
pub(super) fn header(user: &str, password: &SecretString) -> SecretString {
    let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
    let encoded = STANDARD.encode(pair.expose_secret());
    SecretString::from(format!("Basic {encoded}"))
}

/// Whether the user can be named: the first colon ends the name.
pub(super) fn can_name(user: &str) -> bool {
    !user.contains(':')
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let header = super::header("Aladdin", &"open sesame".into());
        assert_eq!(header.expose_secret(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
