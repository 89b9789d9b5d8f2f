//! A company in a box: hosts that are nothing but namespaces, gone with the processes that hold them.
//!
//! ```text
//! pod ── bridge ── node ── office ── proxy ── internet
//! 10.244.77.5       10.99.77.3      10.99.77.2   203.0.113.10
//! ```
//!
//! The proxy's host forwards no packets: only the proxy program on it gets out.

use std::io;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::DemoError;

/// The origin's address on "the internet" (RFC 5737: documentation, routed nowhere).
pub(super) const ORIGIN: &str = "203.0.113.10";
/// The name that the origin is known by.
pub(super) const NAME: &str = "www.example.test";
/// The company's proxy, as the node reaches it.
pub(super) const PROXY: &str = "10.99.77.2";
/// The node on the office network.
pub(super) const NODE: &str = "10.99.77.3";
/// The bridge that the pod is behind.
pub(super) const BRIDGE: &str = "gwdemo0";

/// A namespace of its own for network and mounts, held open by a process that ends with us.
pub(super) struct Host {
    name: &'static str,
    holder: Child,
    pid: u32,
}

impl Host {
    /// A host without any interface but loopback, whose `/etc/hosts` knows [`NAME`].
    pub(super) async fn new(name: &'static str, hosts_file: &str) -> Result<Self, DemoError> {
        // `exec`s into this program, so that the pid is the holder's; its end of input ends it.
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--propagation", "private", "--"])
            .arg(own_program()?)
            .args(["demo-role", "hold", hosts_file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| DemoError::Start {
                program: "unshare",
                source,
            })?;
        let pid = holder.id().ok_or(DemoError::Ended { program: "unshare" })?;
        super::wait_for_line(&mut holder, "ready").await?;
        let host = Self { name, holder, pid };
        host.ip(&["link", "set", "lo", "up"]).await?;
        Ok(host)
    }

    /// A command that runs on this host.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.pid))
            .arg(format!("--mount=/proc/{}/ns/mnt", self.pid))
            .arg("--")
            // Nothing outlives the demo, not even its own death.
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .arg(program)
            .kill_on_drop(true);
        command
    }

    /// `ip ARGS` on this host.
    pub(super) async fn ip(&self, args: &[&str]) -> Result<(), DemoError> {
        run(self.command("ip").args(args), self.name, args).await
    }

    /// Writes one kernel setting of this host's network.
    pub(super) async fn sysctl(&self, path: &str, value: &str) -> Result<(), DemoError> {
        let script = format!("printf {value} > /proc/sys/net/{path}");
        run(self.command("sh").args(["-c", &script]), self.name, &[path]).await
    }

    /// The process that holds the namespaces.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the holder, and with it the namespaces once nothing else runs in them.
    pub(super) async fn remove(mut self) {
        drop(self.holder.stdin.take());
        // The holder ends at the end of its input; a failure to wait leaves it to kill_on_drop.
        let _ = self.holder.wait().await;
    }
}

/// `ip ARGS` on a host; without one, in the machine's own namespace.
pub(super) async fn ip(host: Option<&Host>, args: &[&str]) -> Result<(), DemoError> {
    match host {
        Some(host) => host.ip(args).await,
        None => run(Command::new("ip").args(args), "this machine", args).await,
    }
}

/// A cable between two interfaces and their addresses; the first is the machine's own where it names
/// no host. A bridge's port has no address.
pub(super) async fn cable(
    (host, interface, address): (Option<&Host>, &str, Option<&str>),
    (other, other_interface, other_address): (&Host, &str, &str),
) -> Result<(), DemoError> {
    let pid = other.pid.to_string();
    let link = ["link", "add", interface, "type", "veth", "peer", "name"];
    let pair = [&link[..], &[other_interface, "netns", &pid]].concat();
    ip(host, &pair).await?;
    for (host, interface, address) in [
        (host, interface, address),
        (Some(other), other_interface, Some(other_address)),
    ] {
        if let Some(address) = address {
            ip(host, &["addr", "add", address, "dev", interface]).await?;
        }
        ip(host, &["link", "set", interface, "up"]).await?;
    }
    Ok(())
}

/// This program, to be run in another role.
pub(super) fn own_program() -> Result<std::path::PathBuf, DemoError> {
    std::env::current_exe().map_err(|source| DemoError::Start {
        program: "gangway",
        source,
    })
}

async fn run(command: &mut Command, host: &str, args: &[&str]) -> Result<(), DemoError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|source: io::Error| DemoError::Start {
            program: "ip",
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Network {
        host: host.to_owned(),
        command: args.join(" "),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
