//! Who may use an explicit listener.

use std::net::IpAddr;

use ipnet::IpNet;

use super::interfaces::{Attached, attached, attached_now};

/// Whether the listener at `local` serves this client: one of this machine (loopback), one that
/// the policy names, or a neighbour on the very interface that owns the listener's address.
pub(super) fn admits(client: IpAddr, local: IpAddr, clients: &[IpNet]) -> bool {
    let client = client.to_canonical();
    if client.is_loopback() || clients.iter().any(|net| net.contains(&client)) {
        return true;
    }
    // Whoever cannot be judged is not served; whoever is a stranger by what was known a second ago
    // may be on a bridge that just came.
    let local = local.to_canonical();
    let neighbour = |all: std::sync::Arc<[Attached]>| is_neighbour(client, local, &all);
    attached().is_ok_and(neighbour) || attached_now().is_ok_and(neighbour)
}

fn is_neighbour(client: IpAddr, local: IpAddr, attached: &[Attached]) -> bool {
    if local.is_loopback() {
        return false;
    }
    let owns = |a: &&Attached| a.net.addr() == local;
    attached.iter().filter(owns).any(|owner| {
        let same = |a: &&Attached| a.interface == owner.interface;
        // A connection from this machine to its own address is local too.
        attached
            .iter()
            .filter(same)
            .any(|a| a.net.contains(&client))
            || attached.iter().any(|a| a.net.addr() == client)
    })
}

#[cfg(test)]
mod tests {
    use super::{admits, is_neighbour};
    use crate::accept::interfaces::Attached;

    fn machine() -> Vec<Attached> {
        [
            ("lo", "127.0.0.1/8"),
            ("eth0", "10.20.0.5/16"),
            ("docker0", "172.17.0.1/16"),
            ("br-1", "172.18.0.1/16"),
        ]
        .into_iter()
        .map(|(interface, net)| Attached {
            interface: interface.into(),
            net: net.parse().expect("net"),
        })
        .collect()
    }

    #[test]
    fn only_neighbours_of_the_interface_that_owns_the_address_are_served() {
        for (client, local, served) in [
            ("172.17.0.9", "172.17.0.1", true),
            ("172.18.0.9", "172.17.0.1", false),
            ("10.20.3.4", "172.17.0.1", false),
            ("10.20.0.5", "172.17.0.1", true),
            ("172.17.0.9", "127.0.0.1", false),
            ("172.17.0.9", "192.0.2.1", false),
        ] {
            let (client, local) = (client.parse().expect("ip"), local.parse().expect("ip"));
            assert_eq!(
                is_neighbour(client, local, &machine()),
                served,
                "{client} at {local}"
            );
        }
    }

    #[test]
    fn loopback_and_the_networks_of_the_policy_are_served_everywhere() {
        let ip = |text: &str| text.parse().expect("ip");
        let clients = ["198.51.100.0/24".parse().expect("net")];
        assert!(admits(ip("127.0.0.1"), ip("127.0.0.1"), &[]));
        assert!(admits(ip("::ffff:127.0.0.1"), ip("::1"), &[]));
        assert!(admits(ip("198.51.100.7"), ip("127.0.0.1"), &clients));
        assert!(!admits(ip("198.51.101.7"), ip("127.0.0.1"), &clients));
    }
}
