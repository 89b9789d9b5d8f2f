//! A WSL2 distro of the workstation, which plays Windows: a machine behind a NAT of its own,
//! reached through `testbed/wsl.exe` and nothing else.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::process::Command;

use super::Workstation;
use crate::child::run;
use crate::machine::{Machine, status_field};
use crate::net::RESOLVER;
use crate::{Ca, Result};

/// Where the stand-in stands on the workstation.
pub const WSL_EXE: &str = "/usr/local/bin/wsl.exe";
/// The workstation as the distro sees it: its default gateway.
pub const DISTRO_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 28, 80, 1);
const DISTRO: Ipv4Addr = Ipv4Addr::new(172, 28, 80, 2);
/// What Windows calls its end of the cable, as short as Linux wants it.
const SWITCH: &str = "vEthernet";

/// A running distro with systemd, Docker and the user `dev`; gone when dropped.
#[derive(Debug)]
pub struct Distro<'host> {
    machine: Machine,
    name: String,
    host: &'host Workstation<'host>,
}

impl<'host> Distro<'host> {
    /// Boots it; from then on `wsl.exe --list --running` names it `name`.
    ///
    /// # Errors
    /// What failed at boot.
    pub(super) fn start(host: &'host Workstation<'host>, name: &str) -> Result<Self> {
        let machine = Machine::new("wsl")?;
        machine.prepare(
            "/etc/resolv.conf",
            format!("nameserver {RESOLVER}\n").as_bytes(),
        )?;
        let mut this = Self {
            machine,
            name: name.to_owned(),
            host,
        };
        this.machine.boot(Some(host), &|pid| plug(host, pid))?;
        let stand_in = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("wsl.exe");
        host.copy_in(&stand_in, WSL_EXE)?;
        // The distro's process 1 as the workstation, among whose processes it runs, numbers it.
        let pids = status_field(this.machine.pid(), "NSpid")?;
        let seen = pids.split_whitespace().nth(1).unwrap_or_default();
        host.write(&format!("/run/wsl-stand-in/{name}/pid"), seen)?;
        host.write(&format!("/run/wsl-stand-in/{name}/user"), "dev")?;
        Ok(this)
    }

    /// Makes its programs and its Docker trust `ca`, as [`Workstation::trust`] does.
    ///
    /// # Errors
    /// [`crate::TestbedError::Io`].
    pub fn trust(&self, ca: &Ca) -> Result<()> {
        super::trust(&self.machine, ca)
    }
}

impl Deref for Distro<'_> {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Drop for Distro<'_> {
    fn drop(&mut self) {
        // A workstation that is switched off has no list any more.
        let _ =
            std::fs::remove_dir_all(self.host.path(&format!("/run/wsl-stand-in/{}", self.name)));
    }
}

/// The cable, with Windows' NAT at the other end. Docker closes forwarding on the workstation to
/// all but its own, hence the two rules.
fn plug(host: &Workstation<'_>, pid: u32) -> Result<()> {
    let ip = |pid: u32, line: &str| {
        let mut enter = Command::new("nsenter");
        enter.args(["--net", "--target", &pid.to_string(), "--"]);
        enter.args(line.split(' '));
        run(enter).map(drop)
    };
    let outside = host.pid();
    ip(
        outside,
        &format!("ip link add {SWITCH} type veth peer name eth0 netns {pid}"),
    )?;
    ip(
        outside,
        &format!("ip addr add {DISTRO_GATEWAY}/20 dev {SWITCH}"),
    )?;
    ip(outside, &format!("ip link set {SWITCH} up"))?;
    host.sh(&format!(
        "echo 1 > /proc/sys/net/ipv4/ip_forward\n\
         iptables -I FORWARD -i {SWITCH} -j ACCEPT\n\
         iptables -I FORWARD -o {SWITCH} -j ACCEPT\n\
         iptables -t nat -A POSTROUTING -s {DISTRO}/20 ! -o {SWITCH} -j MASQUERADE"
    ))?;
    ip(pid, &format!("ip addr add {DISTRO}/20 dev eth0"))?;
    ip(pid, "ip link set eth0 up")?;
    ip(pid, &format!("ip route add default via {DISTRO_GATEWAY}"))
}
