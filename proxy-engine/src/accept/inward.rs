//! Nobody reaches inward through us what he could not reach himself.

use std::net::{IpAddr, Ipv4Addr};

use super::interfaces::{Attached, attached, is_guest_bridge};

/// Whether a client may be connected directly to this address. Clients of this machine itself may
/// go anywhere; those from outside (containers, pods) reach neither this machine nor networks of
/// other guests through us.
///
/// # Errors
/// A sentence that says why not.
pub fn permitted(client: IpAddr, target: IpAddr) -> Result<(), String> {
    let (client, target) = (client.to_canonical(), target.to_canonical());
    if client.is_loopback() {
        return Ok(());
    }
    let attached = attached().map_err(|e| format!("this machine's addresses are unknown: {e}"))?;
    if attached.iter().any(|a| a.net.addr() == client) {
        return Ok(());
    }
    judge(client, target, &attached, is_guest_bridge)
}

fn judge(
    client: IpAddr,
    target: IpAddr,
    attached: &[Attached],
    is_guest_bridge: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let link_local = match target {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if target.is_loopback() || target.is_unspecified() || target.is_multicast() || link_local {
        return Err(format!("{target} means this machine or its own link"));
    }
    for a in attached {
        if a.net.addr() == target {
            return Err(format!("{target} is this machine ({})", a.interface));
        }
        if a.net.contains(&target) && !a.net.contains(&client) && is_guest_bridge(&a.interface) {
            return Err(format!(
                "{target} is on {}, which the client is not attached to",
                a.interface
            ));
        }
    }
    // A translator or a tunnel on this machine would carry it there.
    match carried(target) {
        Some(inner) => judge(client, inner.into(), attached, is_guest_bridge),
        None => Ok(()),
    }
}

/// The IPv4 address that an IPv6 one stands for: NAT64 (RFC 6052, section 2.1), 6to4 (RFC 3056),
/// IPv4-compatible (RFC 4291, section 2.5.5.1).
fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let [high, low] = match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [0, 0, 0, 0, 0, 0, high, low] => [high, low].map(u16::to_be_bytes),
        _ => return None,
    };
    Some(Ipv4Addr::new(high[0], high[1], low[0], low[1]))
}

#[cfg(test)]
mod tests {
    use super::{judge, permitted};
    use crate::accept::interfaces::Attached;

    fn ip(text: &str) -> std::net::IpAddr {
        text.parse().expect("ip")
    }

    #[test]
    fn a_container_does_not_reach_inward() {
        let attached: Vec<Attached> = [
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
        .collect();
        let bridge = |name: &str| name != "eth0" && name != "lo";
        for (target, reached) in [
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("::", false),
            ("169.254.169.254", false),
            ("fe80::1", false),
            ("172.17.0.1", false),
            ("10.20.0.5", false),
            ("172.18.0.1", false),
            ("172.18.0.9", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::172.17.0.1", false),
            ("2002:ac12:9::1", false),
            ("::172.18.0.9", false),
            ("64:ff9b::203.0.113.1", true),
            ("2001:db8::1", true),
            ("172.17.0.9", true),
            ("10.20.9.9", true),
            ("10.99.0.1", true),
            ("203.0.113.1", true),
        ] {
            let judged = judge(ip("172.17.0.8"), ip(target), &attached, bridge);
            assert_eq!(judged.is_ok(), reached, "{target}: {judged:?}");
        }
    }

    #[test]
    fn a_client_of_this_machine_may_go_anywhere() {
        assert_eq!(permitted(ip("127.0.0.1"), ip("127.0.0.1")), Ok(()));
        assert!(permitted(ip("203.0.113.50"), ip("::ffff:127.0.0.1")).is_err());
    }
}
