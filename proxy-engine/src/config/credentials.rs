//! Credentials for an engine that nobody attaches to: read once, from an open descriptor or from
//! where an administrator put them.

mod file;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::control::LentCredentials;

pub use file::{read_credentials_file, read_credentials_of_systemd, read_credentials_secret};

/// Most bytes that are read; a few credentials need some hundreds.
const MOST: u64 = 64 * 1024;

/// Why credentials were refused. It never holds any of them.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The descriptor is not open.
    #[error(
        "descriptor {0} is not open: pass the credentials on it, as in --credentials-fd {0} {0}< FILE"
    )]
    Closed(i32),
    /// The descriptor cannot be read.
    #[error("cannot read credentials from descriptor {descriptor}: {source}")]
    Read {
        /// Its number.
        descriptor: i32,
        /// Why.
        source: io::Error,
    },
    /// Nothing came.
    #[error(
        "descriptor {0} gives nothing: it must give authority, user and password, each ended by a NUL byte"
    )]
    Empty(i32),
    /// Not authority, user and password, each ended by a NUL byte.
    #[error(
        "descriptor {0} must give authority, user and password, each ended by a NUL byte, in UTF-8"
    )]
    Form(i32),
    /// A file cannot be read.
    #[error("cannot read credentials from {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the file.
    #[error(
        "{} holds credentials and has mode {mode:04o}: others can read or change it; chmod 600 it \
         (a secret that is mounted for others on purpose: --credentials-secret)",
        path.display()
    )]
    Public {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is somebody else's.
    #[error(
        "{} holds credentials and belongs to user {owner}: it must be root's, or user {own}'s, who \
         runs this engine",
        path.display()
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it may be beside root's.
        own: u32,
    },
    /// The file holds something else.
    #[error("{}: {message}", path.display())]
    Written {
        /// Which.
        path: PathBuf,
        /// Where, and what should stand there.
        message: String,
    },
}

/// Reads authority, user and password, each ended by a NUL byte, until the descriptor's end.
///
/// # Errors
/// See [`CredentialsError`].
pub fn read_credentials(descriptor: i32) -> Result<Vec<LentCredentials>, CredentialsError> {
    // Through `/dev/fd`, so that it must be one that this process was given.
    match File::open(format!("/dev/fd/{descriptor}")) {
        Ok(source) => parse(descriptor, source),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CredentialsError::Closed(descriptor))
        }
        Err(source) => Err(CredentialsError::Read { descriptor, source }),
    }
}

fn parse(descriptor: i32, source: impl Read) -> Result<Vec<LentCredentials>, CredentialsError> {
    let mut text = String::new();
    source
        .take(MOST)
        .read_to_string(&mut text)
        .map_err(|source| CredentialsError::Read { descriptor, source })?;
    if text.is_empty() {
        return Err(CredentialsError::Empty(descriptor));
    }
    let malformed = || CredentialsError::Form(descriptor);
    let text = text.strip_suffix('\0').ok_or_else(malformed)?;
    let parts: Vec<&str> = text.split('\0').collect();
    let (triples, []) = parts.as_chunks::<3>() else {
        return Err(malformed());
    };
    Ok(triples
        .iter()
        .map(|[authority, user, password]| LentCredentials {
            lease: String::new(),
            authority: (*authority).to_owned(),
            user: (*user).to_owned(),
            password: (*password).to_owned(),
            anew: false,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn passwords_keep_every_character_but_nul() {
        let read = parse(3, &b"proxy:3128\0us er\0p:%@\n \xc3\xa9\0"[..]).expect("form");
        assert_eq!(
            (read[0].user.as_str(), read[0].password.as_str()),
            ("us er", "p:%@\n é")
        );
    }

    #[test]
    fn half_a_triple_is_refused_without_showing_it() {
        for text in ["", "proxy:3128\0canary\0", "proxy:3128\0user\0canary"] {
            let error = parse(3, text.as_bytes()).expect_err("refused").to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
