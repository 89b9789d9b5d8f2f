//! Certificates that upstreams may prove themselves by, as text.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

/// Certificates in PEM, at least one, of at most [`Certificates::MOST`] bytes. They are public: a
/// policy that carries them may lie on disk and be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Certificates(Arc<str>);

/// Why a text holds no certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificatesError {
    /// It is longer than [`Certificates::MOST`].
    #[error("it is longer than 256 KiB: leave out what the system trusts already")]
    TooLong,
    /// There is none in it, or one that is cut off.
    #[error("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    None,
}

impl Certificates {
    /// Enough for a hundred authorities; the whole of a system's is not the user's own.
    pub const MOST: usize = 256 << 10;

    /// The certificates of a PEM file's text. Keys and whatever else stands in it are dropped here:
    /// they go no further.
    ///
    /// # Errors
    /// See [`CertificatesError`].
    pub fn new(text: &str) -> Result<Self, CertificatesError> {
        if text.len() > Self::MOST {
            return Err(CertificatesError::TooLong);
        }
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        if !read.is_ok_and(|read| !read.is_empty()) {
            return Err(CertificatesError::None);
        }
        Ok(Self(certificates_alone(text).into()))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.0.as_bytes()).filter_map(Result::ok)
    }
}

/// The sections that are certificates.
fn certificates_alone(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.trim_end() == "-----BEGIN CERTIFICATE-----";
        if inside {
            kept.push_str(line.trim_end());
            kept.push('\n');
        }
        inside &= line.trim_end() != "-----END CERTIFICATE-----";
    }
    kept
}

impl TryFrom<String> for Certificates {
    type Error = CertificatesError;

    fn try_from(text: String) -> Result<Self, CertificatesError> {
        Self::new(&text)
    }
}

impl From<Certificates> for String {
    fn from(certificates: Certificates) -> Self {
        certificates.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Certificates, CertificatesError};

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";

    #[test]
    fn a_key_that_stands_beside_a_certificate_goes_no_further() {
        let read = Certificates::new(&format!("# corp\n{KEY}{ONE}{KEY}{ONE}")).unwrap();
        assert_eq!(String::from(read.clone()), format!("{ONE}{ONE}"));
        assert_eq!(read.iter().count(), 2);
    }

    #[test]
    fn a_text_without_a_whole_certificate_is_refused() {
        for text in ["", "<html>", KEY, &ONE[..40]] {
            let refused = Certificates::new(text);
            assert_eq!(refused, Err(CertificatesError::None), "{text:?}");
        }
        let long = ONE.repeat(5000);
        assert_eq!(Certificates::new(&long), Err(CertificatesError::TooLong));
    }
}
