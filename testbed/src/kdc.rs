//! A company's Kerberos realm: a real KDC of MIT's, with everything that it keeps in a folder of its
//! own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::{Child, run};
use crate::net::{CorpNet, PROXY, require};
use crate::{Result, TestbedError, scratch, wait_for};

/// Its realm.
pub const REALM: &str = "CORP.TEST";
/// The host name of the company's proxy, as its key is filed.
pub const PROXY_NAME: &str = "proxy.corp.test";

const PORT: u16 = 8800;

/// A running KDC on the proxy host; ends when dropped.
#[derive(Debug)]
pub struct Kdc {
    // Dropped in this order: the program, then what it writes to.
    _child: Child,
    dir: tempfile::TempDir,
}

impl Kdc {
    /// Starts the realm, with one user and the proxy's service. A password is asked for before a
    /// ticket is given, as everywhere.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or the command that failed.
    pub fn start(corp: &CorpNet, user: &str, password: &str) -> Result<Self> {
        for (program, package) in [
            ("krb5kdc", "krb5-kdc"),
            ("kadmin.local", "krb5-admin-server"),
            ("kinit", "krb5-user"),
        ] {
            require(program, package)?;
        }
        let dir = scratch::folder("kdc")?;
        let path = dir.path().display().to_string();
        let write = |name: &str, text: String| {
            fs::write(dir.path().join(name), text)
                .map_err(TestbedError::io(format!("write {path}/{name}")))
        };
        write(
            "krb5.conf",
            format!(
                "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n\
                 \x20dns_lookup_realm = false\n dns_canonicalize_hostname = false\n rdns = false\n\
                 \x20udp_preference_limit = 1\n\
                 [realms]\n {REALM} = {{\n  kdc = {PROXY}:{PORT}\n }}\n\
                 [domain_realm]\n .corp.test = {REALM}\n"
            ),
        )?;
        write(
            "kdc.conf",
            format!(
                "[kdcdefaults]\n kdc_listen = {PORT}\n kdc_tcp_listen = {PORT}\n\
                 [realms]\n {REALM} = {{\n  database_name = {path}/principal\n\
                 \x20 key_stash_file = {path}/stash\n  acl_file = {path}/acl\n\
                 \x20 default_principal_flags = +preauth\n }}\n\
                 [logging]\n kdc = FILE:{path}/log\n"
            ),
        )?;
        let at = dir.path();
        run(tool(
            at,
            "kdb5_util",
            &["create", "-s", "-W", "-r", REALM, "-P", "master"],
        ))?;
        for query in [
            format!("addprinc -pw {password} {user}"),
            format!("addprinc -randkey HTTP/{PROXY_NAME}"),
            format!("ktadd -k {path}/keytab HTTP/{PROXY_NAME}"),
        ] {
            run(tool(at, "kadmin.local", &["-r", REALM, "-q", &query]))?;
        }
        let mut command = corp.proxy.command("krb5kdc");
        command.args(["-n", "-r", REALM]).envs(environment(at));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = Child::spawn(command)?;
        wait_for("the KDC listens", Duration::from_secs(20), || {
            let dial = || std::net::TcpStream::connect((PROXY, PORT)).is_ok();
            corp.proxy.enter(dial).ok().filter(|up| *up)
        })?;
        Ok(Self { _child: child, dir })
    }

    /// The realm's settings, for everybody in it: `KRB5_CONFIG`.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("krb5.conf")
    }

    /// The key of the proxy's service.
    pub fn keytab(&self) -> PathBuf {
        self.dir.path().join("keytab")
    }

    /// A ticket cache that nobody else uses; it is not there before [`Kdc::ticket`].
    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// Puts a ticket of the user into [`Kdc::cache`], good for so many seconds.
    ///
    /// # Errors
    /// The `kinit` that failed.
    pub fn ticket(&self, corp: &CorpNet, user: &str, password: &str, seconds: u32) -> Result<()> {
        let mut command = corp.node.command("sh");
        command.envs(environment(self.dir.path()));
        command.args([
            "-ec",
            "printf '%s\\n' \"$1\" | kinit -l \"$2\" -c \"$3\" \"$4\"",
            "sh",
            password,
            &format!("{seconds}s"),
            &self.cache().display().to_string(),
            user,
        ]);
        run(command).map(drop)
    }

    /// What the KDC said, a line an answer.
    pub fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn environment(dir: &Path) -> [(&'static str, PathBuf); 2] {
    [
        ("KRB5_CONFIG", dir.join("krb5.conf")),
        ("KRB5_KDC_PROFILE", dir.join("kdc.conf")),
    ]
}

fn tool(dir: &Path, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new("env");
    command
        .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        .arg(program);
    command.args(args).envs(environment(dir));
    command
}
