//! A container registry on "the internet", behind TLS: a real one, Debian's `docker-registry`.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::ca::Ca;
use crate::child::{Child, run};
use crate::machine::{root, script};
use crate::net::{CorpNet, REGISTRY, REGISTRY_NAME, require};
use crate::{Result, TestbedError, scratch, wait_for};

/// The image that every registry has: a static busybox as the shell, `curl`, and nobody's
/// certificates but the test's own authority.
pub const APP_IMAGE: &str = "registry.example.test/app:1";

/// A running registry with [`APP_IMAGE`] in it; ends when dropped.
#[derive(Debug)]
pub struct Registry {
    _child: Child,
    _dir: TempDir,
}

impl Registry {
    /// Serves [`REGISTRY_NAME`] on port 443, with a certificate by `ca`.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], [`TestbedError::Late`] when it does not listen, or the push that
    /// failed.
    pub fn start(corp: &CorpNet, ca: &Ca) -> Result<Self> {
        require("docker-registry", "docker-registry")?;
        require("curl", "curl")?;
        let dir = scratch::folder("registry")?;
        let certificate = ca.issue(&[REGISTRY_NAME])?;
        write(dir.path(), "ca.pem", &ca.pem())?;
        write(dir.path(), "etc/ssl/certs/ca-certificates.crt", &ca.pem())?;
        write(dir.path(), "chain.pem", &certificate.chain)?;
        write(dir.path(), "key.pem", &certificate.key)?;
        write(dir.path(), "config.yml", &config(dir.path()))?;
        let conf = dir.path().join("config.yml").display().to_string();
        let child = corp.inet.spawn("docker-registry", &["serve", &conf])?;
        wait_for("the registry listens", Duration::from_secs(20), || {
            let dial = || TcpStream::connect((REGISTRY, 443)).is_ok();
            corp.inet.enter(dial).ok().filter(|up| *up)
        })?;
        push(corp, dir.path())?;
        Ok(Self {
            _child: child,
            _dir: dir,
        })
    }
}

fn config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "version: 0.1\n\
         log: {{level: warn}}\n\
         storage: {{filesystem: {{rootdirectory: {dir}/store}}}}\n\
         http:\n\
         \x20 addr: {REGISTRY}:443\n\
         \x20 host: https://{REGISTRY_NAME}\n\
         \x20 secret: test\n\
         \x20 tls: {{certificate: {dir}/chain.pem, key: {dir}/key.pem}}\n"
    )
}

/// Two layers: the programs, which are the same for every test, and this test's authority.
fn push(corp: &CorpNet, dir: &Path) -> Result<()> {
    let mut layer = Command::new(script("layer"));
    layer.arg(root()?).args(["app", "/usr/bin/curl"]);
    let programs = run(layer)?;
    let trust = dir.join("trust.tar");
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "-C"]).arg(dir);
    tar.arg("-cf").arg(&trust).arg("etc");
    run(tar)?;
    let mut push = corp.inet.command(script("push-image"));
    push.args([&format!("{REGISTRY_NAME}:443"), &REGISTRY.to_string()]);
    push.arg(dir.join("ca.pem"))
        .args(["app", "1", programs.trim()])
        .arg(&trust);
    run(push).map(drop)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    let path = dir.join(name);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&path, text))
        .map_err(TestbedError::io(format!("write {}", path.display())))
}
