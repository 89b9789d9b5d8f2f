//! The user's own certificates, of the file that the settings name.

use std::io;
use std::path::Path;

use proxy_engine::config::{Certificates, CertificatesError};

use super::SettingsError;
use crate::regular_file;

/// The certificates of a PEM file.
///
/// # Errors
/// [`SettingsError::Refused`] for the field `upstream_ca`, with the file and what is wrong with it.
pub fn certificates(file: &Path) -> Result<Certificates, SettingsError> {
    let refused = |what: String| SettingsError::Refused {
        field: "upstream_ca",
        what: format!("{}: {what}", file.display()),
    };
    let unreadable = |error: io::Error| refused(format!("it cannot be read: {error}"));
    let read = regular_file::read(file, Certificates::MOST as u64).map_err(unreadable)?;
    let text = read.ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
    // What is no certificate, a comment in another encoding say, does not matter.
    let text = String::from_utf8_lossy(&text);
    Certificates::new(&text).map_err(|error: CertificatesError| refused(error.to_string()))
}
