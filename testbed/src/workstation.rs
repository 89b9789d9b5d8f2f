//! A developer's workstation on the office LAN: systemd and a current Docker Engine.
//!
//! Debian 13 with systemd 257 and Docker 26.1.5, so that drop-ins, `daemon-reload`, restarts and
//! `docker info` are the real ones. It resolves outside names and reaches nothing but the
//! company's proxy.

mod builder;
mod distro;
mod node;

pub use distro::{DISTRO_GATEWAY, Distro, WSL_EXE};
pub use node::{KIND_CLUSTER, KindNode};

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use crate::machine::Machine;
use crate::net::{CorpNet, REGISTRY_NAME, RESOLVER};
use crate::{Ca, Result, TestbedError};

/// The workstation on the office LAN.
pub const WORKSTATION: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 20);
/// The workstation on the office LAN, IPv6.
pub const WORKSTATION_V6: Ipv6Addr = Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 0x20);

/// A running workstation; [`Machine`] has the ways to run things on it. Gone when dropped.
#[derive(Debug)]
pub struct Workstation<'net> {
    machine: Machine,
    corp: &'net CorpNet,
}

impl<'net> Workstation<'net> {
    /// Boots one, with a new disk: about 2 s, and a minute more the very first time on this
    /// machine, when its file system is built. Docker is up when this returns.
    ///
    /// # Errors
    /// [`TestbedError::NotRoot`], [`TestbedError::Missing`], or what failed at boot.
    pub fn start(corp: &'net CorpNet) -> Result<Self> {
        let machine = Machine::new("workstation")?;
        machine.prepare(
            "/etc/resolv.conf",
            format!("nameserver {RESOLVER}\n").as_bytes(),
        )?;
        machine.prepare(
            "/etc/hosts",
            format!(
                "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {}\n",
                machine.name()
            )
            .as_bytes(),
        )?;
        machine.prepare("/etc/hostname", format!("{}\n", machine.name()).as_bytes())?;
        let mut this = Self { machine, corp };
        this.boot()?;
        Ok(this)
    }

    /// Shuts it down and boots it again, as a person does; nobody logs in.
    ///
    /// # Errors
    /// What failed at boot.
    pub fn restart(&mut self) -> Result<()> {
        self.machine.shut_down()?;
        self.boot()
    }

    /// Cuts its power, then boots it again.
    ///
    /// # Errors
    /// What failed at boot.
    pub fn power_cycle(&mut self) -> Result<()> {
        self.machine.cut_power()?;
        self.boot()
    }

    /// Makes its programs trust `ca`, and its Docker the registry that shows a certificate by it.
    ///
    /// # Errors
    /// [`TestbedError::Io`].
    pub fn trust(&self, ca: &Ca) -> Result<()> {
        trust(&self.machine, ca)
    }

    /// Boots a WSL2 distro of that name, for which this machine plays Windows.
    ///
    /// # Errors
    /// What failed at boot.
    pub fn distro(&self, name: &str) -> Result<Distro<'_>> {
        Distro::start(self, name)
    }

    /// Starts a kind-like node with a pod; [`crate::APP_IMAGE`] must have been pulled.
    ///
    /// # Errors
    /// What Docker printed.
    pub fn kind_node(&self) -> Result<KindNode<'_>> {
        KindNode::start(self)
    }

    fn boot(&mut self) -> Result<()> {
        let corp = self.corp;
        self.machine.boot(None, &|pid| {
            corp.attach(pid, "eth0", WORKSTATION, WORKSTATION_V6)
        })
    }
}

impl Deref for Workstation<'_> {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

fn trust(machine: &Machine, ca: &Ca) -> Result<()> {
    machine.write(
        &format!("/etc/docker/certs.d/{REGISTRY_NAME}/ca.crt"),
        ca.pem(),
    )?;
    // What `update-ca-certificates` would end in, without the seconds it takes.
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let known = std::fs::read_to_string(machine.path(bundle))
        .map_err(TestbedError::io(format!("read {bundle}")))?;
    machine.write(bundle, known + &ca.pem())
}
