//! Whom a squid lets through, and how it asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::run;
use crate::net::require;
use crate::{Result, TestbedError};

/// A user name and password that a squid accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicLogin {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// Whom a squid lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// One user, by Basic. Any characters will do.
    Basic(BasicLogin),
    /// One user, by Basic and squid's own helper for files of hashes.
    Hashed(BasicLogin),
    /// One user, by Digest.
    Digest(BasicLogin),
    /// One user of the domain `CORP`, by NTLM version 2: Samba's helper checks the proof.
    Ntlm(BasicLogin),
    /// Whoever says that they speak NTLM: squid's fake helper believes everything.
    FakeNtlm,
    /// Whoever has a ticket for `HTTP/proxy.corp.test`, whose key this file holds; `config` is the
    /// realm's `krb5.conf`.
    Negotiate {
        /// The keytab.
        keytab: PathBuf,
        /// The realm's settings.
        config: PathBuf,
    },
    /// By any of these, and each time the first that the client can do.
    AnyOf(Vec<Access>),
}

impl Access {
    /// Writes what its helpers need into the folder, and gives the lines of `squid.conf`.
    pub(super) fn set_up(&self, dir: &Path) -> Result<String> {
        if *self == Self::Open {
            return Ok("http_access allow all\n".into());
        }
        let mut lines = self.helper(dir)?;
        lines.push_str(
            "acl known proxy_auth REQUIRED\n\
             http_access allow known\n\
             http_access deny all\n",
        );
        Ok(lines)
    }

    /// What squid and its helpers see of it.
    pub(super) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        match self {
            Self::Negotiate { config, .. } => vec![
                ("KRB5_CONFIG", config.clone()),
                // Tests come twice in a second.
                ("KRB5RCACHENAME", "none:".into()),
            ],
            Self::AnyOf(all) => all.iter().flat_map(Self::environment).collect(),
            _ => Vec::new(),
        }
    }

    fn helper(&self, dir: &Path) -> Result<String> {
        let path = dir.display();
        let write = |name: &str, text: String, mode: u32| {
            let path = dir.join(name);
            fs::write(&path, text)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
                .map_err(TestbedError::io(format!("write {}", path.display())))
        };
        match self {
            Self::Open => Ok(String::new()),
            Self::Basic(login) => {
                write("check", checker(login), 0o644)?;
                Ok(format!(
                    "auth_param basic program /usr/bin/perl {path}/check\n\
                     auth_param basic realm Example Corp\n"
                ))
            }
            Self::Hashed(login) => {
                let hash = openssl(&["passwd", "-apr1", &login.password])?;
                write("users", format!("{}:{hash}\n", login.user), 0o644)?;
                Ok(format!(
                    "auth_param basic program /usr/lib/squid/basic_ncsa_auth {path}/users\n\
                     auth_param basic realm Example Corp\n"
                ))
            }
            Self::Digest(login) => {
                let (user, realm) = (&login.user, "Example Corp");
                write(
                    "secret",
                    format!("{user}:{realm}:{}", login.password),
                    0o600,
                )?;
                let hash = openssl(&["dgst", "-md5", "-r", &format!("{path}/secret")])?;
                let hash = hash.split(' ').next().unwrap_or_default();
                write("digests", format!("{user}:{realm}:{hash}\n"), 0o644)?;
                Ok(format!(
                    "auth_param digest program /usr/lib/squid/digest_file_auth -c {path}/digests\n\
                     auth_param digest realm {realm}\n\
                     auth_param digest nonce_max_count 3\n"
                ))
            }
            Self::Ntlm(login) => {
                require("ntlm_auth", "winbind")?;
                let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
                let script = format!(
                    "#!/bin/sh\nexec ntlm_auth --helper-protocol=squid-2.5-ntlmssp --domain=CORP \
                     --username={} --password={} --configfile=/dev/null\n",
                    quoted(&login.user),
                    quoted(&login.password)
                );
                write("ntlm", script, 0o755)?;
                Ok(format!(
                    "auth_param ntlm program {path}/ntlm\nauth_param ntlm children 4 startup=1\n"
                ))
            }
            Self::FakeNtlm => Ok("auth_param ntlm program /usr/lib/squid/ntlm_fake_auth\n".into()),
            Self::Negotiate { keytab, .. } => {
                let own = dir.join("keytab");
                fs::copy(keytab, &own)
                    .map_err(TestbedError::io(format!("copy {}", keytab.display())))?;
                Ok(format!(
                    "auth_param negotiate program /usr/lib/squid/negotiate_kerberos_auth \
                     -k {path}/keytab -s GSS_C_NO_NAME\n\
                     auth_param negotiate children 4 startup=1\n"
                ))
            }
            Self::AnyOf(all) => all.iter().map(|one| one.helper(dir)).collect(),
        }
    }
}

fn openssl(args: &[&str]) -> Result<String> {
    require("openssl", "openssl")?;
    let mut command = Command::new("openssl");
    command.args(args);
    run(command).map(|text| text.trim().to_owned())
}

/// squid asks a line at a time, `USER PASSWORD`, each percent-encoded as RFC 1738 has it.
fn checker(login: &BasicLogin) -> String {
    let hex = |word: &str| {
        word.bytes()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .concat()
    };
    format!(
        "$| = 1;\n\
         while (<STDIN>) {{\n\
         \x20 chomp;\n\
         \x20 my @words = map {{ s/%([0-9a-fA-F]{{2}})/chr hex $1/ge; unpack 'H*', $_ }} split / /;\n\
         \x20 print \"@words\" eq '{} {}' ? \"OK\\n\" : \"ERR\\n\";\n\
         }}\n",
        hex(&login.user),
        hex(&login.password)
    )
}
