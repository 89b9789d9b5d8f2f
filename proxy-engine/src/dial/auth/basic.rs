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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let header = super::header("Aladdin", "open sesame");
        assert_eq!(header.expose_secret(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
