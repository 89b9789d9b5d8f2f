//! Hashes by which files and plans are recognised again.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 of something, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of one run of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::over([bytes])
    }

    /// Of several parts; where one ends and the next begins counts.
    pub fn over<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let digest = hash.finalize();
        Self(
            digest
                .iter()
                .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
                .collect(),
        )
    }

    /// The first 16 digits: enough for a name that people see.
    pub fn short(&self) -> &str {
        &self.0[..16]
    }
}
