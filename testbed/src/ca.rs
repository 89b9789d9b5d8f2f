//! A certificate authority of the test's own.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};

use crate::{Result, TestbedError};

/// A certificate authority that nobody but the test trusts.
#[derive(Debug)]
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate chain.
    pub chain: String,
    /// The private key, PKCS #8.
    pub key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Ca {
    /// Makes one, with a new key.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when the system has no randomness.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "Gangway test authority");
        let issuer = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(params, key))
            .map_err(failed)?;
        Ok(Self { issuer })
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A store that trusts it alone.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when rustls refuses the certificate.
    pub fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).map_err(failed)?;
        Ok(roots)
    }

    /// A certificate for these names (or addresses).
    ///
    /// # Errors
    /// [`TestbedError::Io`] for a name that no certificate can hold.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .map_err(failed)?;
        Ok(Certificate {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der(),
        })
    }
}

impl Certificate {
    /// A TLS server's settings with this certificate.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when rustls refuses it.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(self.key_der.clone().into());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config
                    .with_no_client_auth()
                    .with_single_cert(vec![self.der.clone()], key)
            })
            .map(Arc::new)
            .map_err(failed)
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> TestbedError {
    TestbedError::io("make a certificate")(std::io::Error::other(error))
}
