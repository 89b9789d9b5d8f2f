//! TLS in front of a company's proxy: a real HAProxy that ends it and passes the bytes on.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use crate::ca::Ca;
use crate::child::Child;
use crate::net::{CorpNet, PROXY, require};
use crate::scratch;
use crate::{Result, TestbedError, wait_for};

/// A running HAProxy; ends when dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    _child: Child,
    _dir: tempfile::TempDir,
}

impl TlsFront {
    /// Starts one at [`PROXY`] port `port` that proves to be `names` by `ca`, in front of the proxy
    /// at `behind`.
    ///
    /// # Errors
    /// [`TestbedError::Missing`], or [`TestbedError::Late`] when it does not listen.
    pub fn start(
        corp: &CorpNet,
        port: u16,
        ca: &Ca,
        names: &[&str],
        behind: SocketAddr,
    ) -> Result<Self> {
        require("haproxy", "haproxy")?;
        let dir = scratch::folder("haproxy")?;
        let write = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text)
                .map_err(TestbedError::io(format!("write {}", path.display())))
                .map(|()| path.display().to_string())
        };
        let address = SocketAddr::from((PROXY, port));
        let certificate = ca.issue(names)?;
        let pair = write("pair.pem", certificate.chain + &certificate.key)?;
        let conf = write(
            "haproxy.cfg",
            format!(
                "global\n  maxconn 500\n\
                 defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n\
                 listen proxy\n  bind {address} ssl crt {pair} alpn http/1.1\n  server squid {behind}\n"
            ),
        )?;
        let child = corp.proxy.spawn("haproxy", &["-db", "-f", &conf])?;
        wait_for("HAProxy listens", Duration::from_secs(20), || {
            let dial = || std::net::TcpStream::connect(address).is_ok();
            corp.proxy.enter(dial).ok().filter(|up| *up)
        })?;
        Ok(Self {
            address,
            _child: child,
            _dir: dir,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
