//! TLS as a client: whoever answers must prove it.

use std::io;
use std::sync::Arc;

use proxy_engine::config::Certificates;
use rustls::{ClientConfig, RootCertStore};

/// Trusts whom this machine trusts, and these beside them.
///
/// # Errors
/// Where the cryptography that TLS needs is not there.
pub(crate) async fn trusting(more: Option<Certificates>) -> io::Result<Arc<ClientConfig>> {
    // The system's are some hundred files.
    let made = tokio::task::spawn_blocking(move || make(more.as_ref()));
    made.await.map_err(io::Error::other)?
}

fn make(more: Option<&Certificates>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(more) = more {
        roots.add_parsable_certificates(more.iter());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
