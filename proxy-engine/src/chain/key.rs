//! The keys that engines prove to each other that they hold.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

use super::{EngineName, Proof};

/// Most bytes of a file: several hundred engines.
const MOST: u64 = 64 * 1024;
/// Bytes of a key: from as many as a proof has.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=256;

/// One engine's key.
#[derive(Debug)]
pub struct Key {
    /// The name that it is filed under on both sides.
    pub name: EngineName,
    secret: SecretSlice<u8>,
}

/// The keys of every engine that may pass connections on to this one.
#[derive(Debug, Default)]
pub struct Keys(HashMap<EngineName, Key>);

/// Why a file of keys was refused. It never holds any of them.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("cannot read the keys in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than this process's user and root can read or write it.
    #[error(
        "{} must belong to root or to this process's user, and be nobody else's to read or write: chmod 600 {0}",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// A line that is no key.
    #[error(
        "{}, line {line}: write NAME KEY, KEY being base64 of 32 bytes or more (head -c 32 /dev/urandom | base64)",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// More than is read.
    #[error("{} is longer than {MOST} bytes: keep keys alone in it", path.display())]
    Long {
        /// The file.
        path: PathBuf,
    },
    /// A name twice.
    #[error("{}: {name} has two keys", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// Whose.
        name: EngineName,
    },
    /// Not so many as are needed.
    #[error("{} must hold {wanted}: lines of NAME KEY", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// How many.
        wanted: &'static str,
    },
}

impl Key {
    /// The one key of a file.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let mut keys = read(path)?;
        match (keys.pop(), keys.pop()) {
            (Some(key), None) => Ok(key),
            _ => Err(KeyError::Count {
                path: path.to_owned(),
                wanted: "one key, that of this engine",
            }),
        }
    }

    /// A key that is known already.
    pub fn new(name: EngineName, secret: Vec<u8>) -> Self {
        Self {
            name,
            secret: secret.into(),
        }
    }

    /// Proves that it is held, over these parts in this order.
    pub fn prove(&self, parts: &[&[u8]]) -> Proof {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Whether the proof over these parts was made with this key. How long that takes tells
    /// nothing of it.
    pub fn made(&self, proof: &Proof, parts: &[&[u8]]) -> bool {
        self.over(parts).verify_slice(proof).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.secret.expose_secret());
        let mut mac = mac.expect("a key of HMAC may have any length");
        for part in parts {
            // So that no byte can move from one part to the next.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl Keys {
    /// Every key of a file.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let keys = read(path)?;
        if keys.is_empty() {
            return Err(KeyError::Count {
                path: path.to_owned(),
                wanted: "at least one key",
            });
        }
        let mut all = HashMap::new();
        for key in keys {
            let name = key.name.clone();
            if all.insert(name.clone(), key).is_some() {
                let path = path.to_owned();
                return Err(KeyError::Twice { path, name });
            }
        }
        Ok(Self(all))
    }

    /// The key of this name.
    pub fn of(&self, name: &EngineName) -> Option<&Key> {
        self.0.get(name)
    }
}

impl FromIterator<Key> for Keys {
    fn from_iter<T: IntoIterator<Item = Key>>(keys: T) -> Self {
        let named = keys.into_iter().map(|key| (key.name.clone(), key));
        Self(named.collect())
    }
}

fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let cannot = |source| KeyError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(cannot)?;
    if !is_private(&file).map_err(cannot)? {
        let path = path.to_owned();
        return Err(KeyError::Open { path });
    }
    // As large as it may become, so that no copy is left where it grew out of.
    let mut text = String::with_capacity(usize::try_from(MOST + 1).unwrap_or_default());
    file.take(MOST + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > MOST {
        let path = path.to_owned();
        return Err(KeyError::Long { path });
    }
    let text = SecretString::from(text);
    let lines = text.expose_secret().lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| {
            parse(line).ok_or_else(|| KeyError::Form {
                path: path.to_owned(),
                line: at + 1,
            })
        })
        .collect()
}

fn parse(line: &str) -> Option<Key> {
    let (name, secret) = line.split_once(|c: char| c.is_ascii_whitespace())?;
    let secret: SecretSlice<u8> = STANDARD.decode(secret.trim_start()).ok()?.into();
    let long_enough = LENGTH.contains(&secret.expose_secret().len());
    let name = name.parse().ok()?;
    long_enough.then_some(Key { name, secret })
}

/// Whether nobody but root, this process's user, and a group that root lets read it, can.
#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    /// Others' reading and writing, and the group's writing.
    const STRANGERS: u32 = 0o026;
    const GROUP_READS: u32 = 0o040;
    let about = file.metadata()?;
    let own = about.uid() == rustix::process::geteuid().as_raw();
    let is_roots = about.uid() == 0;
    // Root may let a service's group in; so does systemd with its credentials.
    let mode = about.mode();
    Ok((own || is_roots) && mode & STRANGERS == 0 && (is_roots || mode & GROUP_READS == 0))
}

#[cfg(not(unix))]
fn is_private(_file: &File) -> io::Result<bool> {
    // A file inherits who may read it from its folder there: that of the user alone.
    Ok(true)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Key, KeyError, Keys};

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const TWO: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("temp file");
        file.write_all(text.as_bytes()).expect("write");
        let mode = std::fs::Permissions::from_mode(mode);
        file.as_file().set_permissions(mode).expect("mode");
        file
    }

    #[test]
    fn keys_are_found_by_name_and_prove_what_they_are_told() {
        let file = file(
            &format!("# engines\n\nwsl {ONE}\n  node-1\t{TWO}  \n"),
            0o600,
        );
        let keys = Keys::read(file.path()).expect("keys");
        let name = |name: &str| name.parse().expect("a name");
        let (one, two) = (keys.of(&name("wsl")), keys.of(&name("node-1")));
        let (one, two) = (one.expect("a key"), two.expect("a key"));
        assert!(keys.of(&name("other")).is_none());
        let proof = one.prove(&[b"ab", b"c"]);
        assert!(one.made(&proof, &[b"ab", b"c"]));
        assert!(!one.made(&proof, &[b"a", b"bc"]), "parts have an end");
        assert!(!two.made(&proof, &[b"ab", b"c"]), "another key");
    }

    #[test]
    fn a_file_that_others_can_read_or_change_is_refused() {
        for mode in [0o644, 0o604, 0o602, 0o620, 0o606] {
            let file = file(&format!("wsl {ONE}\n"), mode);
            let error = Keys::read(file.path()).expect_err("refused");
            assert!(matches!(error, KeyError::Open { .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        for (mode, of_root) in [(0o600, false), (0o400, false), (0o640, true)] {
            if of_root && !rustix::process::geteuid().is_root() {
                continue;
            }
            let file = file(&format!("wsl {ONE}\n"), mode);
            assert!(Keys::read(file.path()).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_key_is_refused_without_showing_it() {
        for (text, line) in [
            ("wsl", "line 1"),
            ("wsl canary", "line 1"),
            ("# short\nwsl Y2FuYXJ5", "line 2"),
            ("w/sl Y2FuYXJ5", "line 1"),
        ] {
            let file = file(text, 0o600);
            let error = Keys::read(file.path()).expect_err("refused").to_string();
            assert!(error.contains(line), "{error}");
            assert!(!error.contains("canary") && !error.contains("Y2Fu"));
        }
        let twice = file(&format!("wsl {ONE}\nwsl {TWO}\n"), 0o600);
        let error = Keys::read(twice.path()).expect_err("refused");
        assert!(matches!(error, KeyError::Twice { .. }), "{error}");
        let none = file("# nothing\n", 0o600);
        let error = Keys::read(none.path()).expect_err("refused");
        assert!(matches!(error, KeyError::Count { .. }), "{error}");
        let long = file(&"# a remark\n".repeat(6000), 0o600);
        let error = Keys::read(long.path()).expect_err("refused");
        assert!(matches!(error, KeyError::Long { .. }), "{error}");
        let two = file(&format!("a {ONE}\nb {TWO}\n"), 0o600);
        let error = Key::read(two.path()).expect_err("refused");
        assert!(matches!(error, KeyError::Count { .. }), "{error}");
        assert!(!format!("{:?}", Key::read(twice.path())).contains("AAAA"));
    }
}
