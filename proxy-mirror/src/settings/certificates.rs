//! The user's own certificates, of the file that the settings name.

use std::io::Read as _;
use std::path::Path;

use proxy_engine::config::{Certificates, CertificatesError};

use super::SettingsError;

/// The certificates of a PEM file.
///
/// # Errors
/// [`SettingsError::Refused`] for the field `upstream_ca`, with the file and what is wrong with it.
pub fn certificates(file: &Path) -> Result<Certificates, SettingsError> {
    let refused = |what: String| SettingsError::Refused {
        field: "upstream_ca",
        what: format!("{}: {what}", file.display()),
    };
    let unreadable = |error| refused(format!("it cannot be read: {error}"));
    // A pipe would be waited for as it is opened.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(refused("it is no file".to_owned()));
    }
    let mut text = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| {
            let most = Certificates::MOST as u64 + 1;
            opened.take(most).read_to_end(&mut text)
        })
        .map_err(unreadable)?;
    // What is no certificate, a comment in another encoding say, does not matter.
    let text = String::from_utf8_lossy(&text);
    Certificates::new(&text).map_err(|error: CertificatesError| refused(error.to_string()))
}
