//! Notices that this machine is in another network now.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::accept::interfaces::{attached_now, is_guest_bridge};

/// What changes together: an address, its routes, the one of the other family.
const SETTLE: Duration = Duration::from_millis(300);
/// Where nothing tells, it is looked for.
const LOOK: Duration = Duration::from_secs(15);

/// The network that this machine is in: its own addresses, but those of bridges to its guests, and
/// its ways out.
#[derive(Debug)]
pub struct Network {
    here: BTreeSet<String>,
    told: told::Told,
}

impl Network {
    /// Begins to watch. Inside a tokio runtime.
    pub fn watch() -> Self {
        Self {
            told: told::Told::default(),
            here: here(),
        }
    }

    /// Returns once this machine is in another network. Containers that come and go are none.
    pub async fn changed(&mut self) {
        loop {
            if tokio::time::timeout(LOOK, self.told.something())
                .await
                .is_ok()
            {
                tokio::time::sleep(SETTLE).await;
            }
            let now = here();
            if now != self.here {
                self.here = now;
                return;
            }
        }
    }
}

fn here() -> BTreeSet<String> {
    // Where it cannot be known, nothing changes.
    let attached = attached_now().unwrap_or_default();
    let own = attached.iter().filter(|a| {
        let passing = match a.net.addr() {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_loopback(),
        };
        !passing && !is_guest_bridge(&a.interface)
    });
    let own = own.map(|a| format!("{} {}", a.interface, a.net));
    own.chain(ways_out()).collect()
}

/// The default routes, as the kernel writes them (proc_pid_net(5)).
fn ways_out() -> Vec<String> {
    let v4 = std::fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default();
    let v4 = v4.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        (columns.get(1) == Some(&"00000000")).then(|| columns[..3].join(" "))
    });
    let v6 = std::fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
    let v6 = v6.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [to, length, .., interface] = columns.as_slice() else {
            return None;
        };
        let default = *length == "00" && to.bytes().all(|b| b == b'0') && *interface != "lo";
        default.then(|| {
            format!(
                "{} {interface}",
                columns.get(4).copied().unwrap_or_default()
            )
        })
    });
    v4.chain(v6).collect()
}

#[cfg(target_os = "linux")]
mod told {
    use std::os::fd::AsFd as _;

    use tokio::net::UnixDatagram;

    use crate::intercept::netlink::NetlinkSocket;

    /// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE`.
    const CHANGES: u32 = 0x10 | 0x40 | 0x100 | 0x400;

    /// The kernel's word (rtnetlink(7)). Of a socket the runtime asks only when it can be read, which
    /// is the same for every family.
    #[derive(Debug)]
    pub(super) struct Told(Option<UnixDatagram>);

    impl Default for Told {
        fn default() -> Self {
            let open = || -> std::io::Result<_> {
                let socket = NetlinkSocket::open(None, CHANGES)?;
                UnixDatagram::from_std(socket.as_fd().try_clone_to_owned()?.into())
            };
            Self(
                open()
                    .inspect_err(|error| tracing::debug!(%error, "the network is not watched"))
                    .ok(),
            )
        }
    }

    impl Told {
        /// Returns once an address or a route came or went.
        pub(super) async fn something(&mut self) {
            let Some(socket) = &self.0 else {
                return std::future::pending().await;
            };
            if socket.readable().await.is_err() {
                self.0 = None;
                return;
            }
            let mut buffer = [0; 16 << 10];
            // What overflowed the kernel's queue is a change, too. Whatever is left is told again.
            for _ in 0..256 {
                match socket.try_recv(&mut buffer) {
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod told {
    /// Nobody tells.
    #[derive(Debug, Default)]
    pub(super) struct Told;

    impl Told {
        pub(super) async fn something(&mut self) {
            std::future::pending().await
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::Network;

    #[test]
    fn another_address_is_another_network_and_one_that_leads_nowhere_is_none() {
        let row = testbed::Row::new(&[]).expect("namespaces");
        row.pod
            .enter(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("runtime");
                let ip = |what: &str| row.pod.ip(what).expect("ip");
                let mut network = runtime.block_on(async { Network::watch() });
                let wait = |network: &mut Network, time| {
                    runtime.block_on(async { tokio::time::timeout(time, network.changed()).await })
                };
                ip("addr add 169.254.7.7/16 dev lo");
                let short = Duration::from_millis(700);
                assert!(wait(&mut network, short).is_err(), "link-local");
                ip("link add vpn0 type veth peer name vpn1");
                ip("addr add 10.99.0.1/24 dev vpn0");
                let long = Duration::from_secs(5);
                assert!(wait(&mut network, long).is_ok(), "an address");
                assert!(wait(&mut network, short).is_err(), "nothing more");
                ip("link del vpn0");
                assert!(wait(&mut network, long).is_ok(), "it is gone");
            })
            .expect("entered");
    }
}
