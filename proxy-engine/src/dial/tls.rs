//! TLS to a proxy: whoever it is must prove it, to the roots of this system and those that the user
//! named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{ANSWER_TIMEOUT, DialError};
use crate::config::{Certificates, Upstream};
use crate::relay::{Shared, Stream};

/// Why the user's own certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds no certificate.
    #[error("{}: no certificate in PEM (-----BEGIN CERTIFICATE-----)", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// How proxies prove who they are.
#[derive(Debug)]
pub(super) struct Tls {
    /// A file of certificates beside those of the system.
    ca: Option<PathBuf>,
    /// Those that the policy names, beside them.
    named: ArcSwapOption<Certificates>,
    /// Made at the first need, and anew after a proxy that nobody vouched for: whom the system
    /// trusts may change. It remembers sessions, so that they are resumed.
    config: ArcSwapOption<ClientConfig>,
}

impl Tls {
    /// Trusts those in the file, too.
    ///
    /// # Errors
    /// See [`CaError`].
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, CaError> {
        ca.map(read).transpose()?;
        Ok(Self {
            ca: ca.map(Path::to_owned),
            named: ArcSwapOption::empty(),
            config: ArcSwapOption::empty(),
        })
    }

    /// From now on these are trusted, too, and those that were named before are not.
    pub(super) fn trust(&self, named: Option<Certificates>) {
        if self.named.load().as_deref() != named.as_ref() {
            self.named.store(named.map(Arc::new));
            self.config.store(None);
        }
    }

    /// Speaks TLS on the stream, to the host that the upstream is known by.
    pub(super) async fn wrap(
        &self,
        upstream: &Upstream,
        stream: TcpStream,
    ) -> Result<Stream, DialError> {
        let not_tls = |detail: String| DialError::UpstreamTls {
            upstream: upstream.clone(),
            detail,
        };
        let name = ServerName::try_from(upstream.host().to_owned())
            .map_err(|error| not_tls(error.to_string()))?;
        let config = self.config().await.map_err(not_tls)?;
        let connector = TlsConnector::from(config);
        let wrapped = connector.connect(name, Shared::new(stream));
        match tokio::time::timeout(ANSWER_TIMEOUT, wrapped).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => {
                let cause = error.get_ref().and_then(|e| e.downcast_ref());
                Err(match cause {
                    Some(rustls::Error::InvalidCertificate(why)) => {
                        self.config.store(None);
                        DialError::UpstreamCertificate {
                            upstream: upstream.clone(),
                            detail: said(why),
                        }
                    }
                    _ => not_tls(error.to_string()),
                })
            }
            Err(_) => Err(DialError::UpstreamTimeout {
                upstream: upstream.clone(),
            }),
        }
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = &*self.config.load() {
            return Ok(Arc::clone(config));
        }
        let ca = self.ca.clone();
        let named = self.named.load_full();
        let of = named.clone();
        // Some hundred files.
        let made = tokio::task::spawn_blocking(move || make(ca.as_deref(), of.as_deref()));
        let config = made.await.map_err(|error| error.to_string())??;
        // Not kept where others were named meanwhile: this connection alone began before that.
        if self.named.load().as_deref() == named.as_deref() {
            self.config.store(Some(Arc::clone(&config)));
        }
        Ok(config)
    }
}

fn make(ca: Option<&Path>, named: Option<&Certificates>) -> Result<Arc<ClientConfig>, String> {
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a certificate of this system cannot be read");
    }
    let own = ca
        .map(read)
        .transpose()
        .map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let own = own.into_iter().flatten();
    let named = named.into_iter().flat_map(Certificates::iter);
    roots.add_parsable_certificates(system.certs.into_iter().chain(own).chain(named));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let text = std::fs::read(path).map_err(|source| CaError::Read {
        path: path.to_owned(),
        source,
    })?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(CaError::None {
            path: path.to_owned(),
        }),
    }
}

fn said(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => "nobody who is trusted here has signed it".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{CaError, Tls};

    #[test]
    fn a_file_without_a_certificate_is_refused_at_the_start() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .expect("written");
        let path = file.path().to_owned();
        assert!(matches!(Tls::new(Some(&path)), Err(CaError::None { .. })));
        drop(file);
        assert!(matches!(Tls::new(Some(&path)), Err(CaError::Read { .. })));
        assert!(Tls::new(None).is_ok());
    }
}
