//! Credentials for a service without a user, from where its administrator put them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CredentialsError, MOST};
use crate::config::Authority;
use crate::control::LentCredentials;

/// The credential that systemd decrypts for the service: `LoadCredentialEncrypted=NAME:…`.
const SYSTEMD_NAME: &str = "gangway-credentials";

/// A file of them, or a systemd credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    credentials: Vec<One>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    proxy: Authority,
    user: String,
    password: String,
}

/// Reads a TOML file with a table `[[credentials]]` for each proxy: `proxy = "HOST:PORT"`, `user`,
/// `password`. It must be nobody else's: a file, not a link to one, that only its owner can read,
/// who is root or the user of this process.
///
/// # Errors
/// [`CredentialsError::File`], [`CredentialsError::Public`], [`CredentialsError::Foreign`],
/// [`CredentialsError::Written`].
pub fn read_credentials_file(path: &Path) -> Result<Vec<LentCredentials>, CredentialsError> {
    let failed = |source| CredentialsError::File {
        path: path.to_owned(),
        source,
    };
    let file = open(path).map_err(failed)?;
    is_private(&file, path)?;
    let text = read(file).map_err(failed)?;
    parse(&text, path)
}

/// Reads a folder that a secret is mounted at, with the files `proxy` (HOST:PORT), `user` and
/// `password`. A line break at the end of one is not part of it. Whoever mounts it says who can read
/// it: nothing is checked here.
///
/// # Errors
/// [`CredentialsError::File`], [`CredentialsError::Written`].
pub fn read_credentials_secret(folder: &Path) -> Result<Vec<LentCredentials>, CredentialsError> {
    let part = |name: &str| {
        let path = folder.join(name);
        let text = File::open(&path).and_then(read);
        match text {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
            }
            Err(source) => Err(CredentialsError::File { path, source }),
        }
    };
    let proxy: Result<Authority, _> = part("proxy")?.parse();
    let proxy = proxy.map_err(|error| CredentialsError::Written {
        path: folder.join("proxy"),
        message: error.to_string(),
    })?;
    Ok(vec![lent(&proxy, part("user")?, part("password")?)])
}

/// Reads the credential `gangway-credentials`, where systemd gave this service one, in the form of a
/// file of credentials.
///
/// # Errors
/// [`CredentialsError::File`], [`CredentialsError::Written`].
pub fn read_credentials_of_systemd() -> Result<Vec<LentCredentials>, CredentialsError> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let Some(path) = folder.map(|folder| folder.join(SYSTEMD_NAME)) else {
        return Ok(Vec::new());
    };
    match File::open(&path).and_then(read) {
        Ok(text) => parse(&text, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(CredentialsError::File { path, source }),
    }
}

/// Never follows a link: what is checked is what is read.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("flags of open(2)");
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn is_private(file: &File, path: &Path) -> Result<(), CredentialsError> {
    use std::os::unix::fs::MetadataExt;
    let path = path.to_owned();
    let meta = match file.metadata() {
        Ok(meta) if meta.is_file() => meta,
        Ok(_) => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a file");
            return Err(CredentialsError::File { path, source });
        }
        Err(source) => return Err(CredentialsError::File { path, source }),
    };
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != own {
        let owner = meta.uid();
        return Err(CredentialsError::Foreign { path, owner, own });
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Public { path, mode });
    }
    Ok(())
}

/// Where files have no mode, the folder's rights count, which nobody can check in one look.
#[cfg(not(unix))]
fn is_private(_file: &File, _path: &Path) -> Result<(), CredentialsError> {
    Ok(())
}

fn read(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

fn parse(text: &str, path: &Path) -> Result<Vec<LentCredentials>, CredentialsError> {
    let written: Written = toml::from_str(text).map_err(|error| CredentialsError::Written {
        path: path.to_owned(),
        message: format!("{}{}", place(text, error.span()), FORM),
    })?;
    let all = written.credentials.into_iter();
    Ok(all
        .map(|one| lent(&one.proxy, one.user, one.password))
        .collect())
}

const FORM: &str = "write [[credentials]] and below it proxy = \"HOST:PORT\", user = \"…\" and \
    password = \"…\", for each proxy";

/// `line 2: `. Neither the line itself nor what the parser says is shown: both may hold a password.
fn place(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let before = span.and_then(|span| text.get(..span.start));
    before.map_or_else(String::new, |before| {
        format!("line {}: ", before.matches('\n').count() + 1)
    })
}

fn lent(proxy: &Authority, user: String, password: String) -> LentCredentials {
    LentCredentials {
        lease: String::new(),
        authority: proxy.to_string(),
        user,
        password,
        anew: false,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::Path;

    use super::{read_credentials_file, read_credentials_secret};

    const GOOD: &str = "[[credentials]]\nproxy = \"Proxy.test:3128\"\nuser = 'CORP\\ann'\n\
        password = \"p:%@\\n\\u0000\\u1234é\"\n";

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    }

    #[test]
    fn a_file_of_its_owners_alone_gives_every_character() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("credentials.toml");
        for mode in [0o600, 0o400] {
            write(&path, GOOD, mode);
            let read = read_credentials_file(&path).expect("read");
            assert_eq!(read[0].authority, "proxy.test:3128");
            assert_eq!(read[0].user, "CORP\\ann");
            assert_eq!(read[0].password, "p:%@\n\0\u{1234}é");
        }
    }

    #[test]
    fn a_file_that_others_could_read_or_exchange_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("credentials.toml");
        let refused = |path: &Path| {
            read_credentials_file(path)
                .expect_err("refused")
                .to_string()
        };
        for mode in [0o640, 0o604, 0o620, 0o601] {
            write(&path, GOOD, mode);
            assert!(
                refused(&path).contains("chmod 600"),
                "{mode:o}: {}",
                refused(&path)
            );
        }
        write(&path, GOOD, 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).expect("linked");
        refused(&link);
        refused(folder.path());
        chown(&path, Some(51_001), None).expect("tests are root");
        assert!(refused(&path).contains("51001"), "{}", refused(&path));
    }

    #[test]
    fn what_is_malformed_is_told_without_a_word_of_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("credentials.toml");
        for text in [
            "canary",
            "[[credentials]]\nproxy = \"p:1\"\nuser = \"u\"\npassword = canary\n",
            "[[credentials]]\nproxy = \"p:1\"\nuser = \"u\"\nsecret = \"canary\"\n",
            "[[credentials]]\nproxy = \"canary\"\nuser = \"u\"\npassword = \"x\"\n",
        ] {
            write(&path, text, 0o600);
            let error = read_credentials_file(&path).expect_err(text).to_string();
            assert!(
                !error.contains("canary") && error.contains("[[credentials]]"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_mounted_secret_is_read_through_its_links() {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().join("..data");
        fs::create_dir(&data).expect("made");
        for (name, text) in [
            ("proxy", "p.test:1\n"),
            ("user", "ann"),
            ("password", " p\n\n"),
        ] {
            write(&data.join(name), text, 0o644);
            symlink(Path::new("..data").join(name), folder.path().join(name)).expect("linked");
        }
        let read = read_credentials_secret(folder.path()).expect("read");
        let one = &read[0];
        let parts = [&one.authority, &one.user, &one.password].map(String::as_str);
        assert_eq!(parts, ["p.test:1", "ann", " p\n"]);
        fs::remove_file(folder.path().join("user")).expect("removed");
        let error = read_credentials_secret(folder.path()).expect_err("refused");
        assert!(error.to_string().contains("user"), "{error}");
    }
}
