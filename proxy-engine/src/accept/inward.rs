//! Nobody reaches inward through us what he could not reach himself.

use std::io;
use std::net::IpAddr;

use super::Asker;
use super::interfaces::{Attached, attached, is_guest_bridge};
use crate::route::{Destination, Router, World, carried, is_inner};

/// Whether the client may be connected directly to this address, to which `to` leads. Clients of
/// this machine itself may go anywhere; those from outside (containers, pods) reach neither this
/// machine nor networks of other guests through us. Neither do those of another world, whatever
/// address they have there, nor anything private by a name that the bypass list does not name.
///
/// # Errors
/// A sentence that says why not.
pub fn permitted(
    asker: &Asker,
    router: &Router,
    to: &Destination,
    target: IpAddr,
) -> Result<(), String> {
    let target = target.to_canonical();
    match asker.world() {
        World::Own => from_here(asker.client().ip().to_canonical(), target),
        World::Another => {
            judge(
                None,
                target,
                &attached().map_err(|e| unknown(&e))?,
                is_guest_bridge,
            )?;
            let by_address = Destination::from((target, to.port));
            let named = || router.named(to).or_else(|| router.named(&by_address));
            // What is no name was judged where its route was found.
            if to.name().is_some() && is_inner(target) && named().is_none() {
                return Err(format!("{target} is private, and no bypass entry names it"));
            }
            Ok(())
        }
    }
}

fn from_here(client: IpAddr, target: IpAddr) -> Result<(), String> {
    if client.is_loopback() {
        return Ok(());
    }
    let attached = attached().map_err(|e| unknown(&e))?;
    if attached.iter().any(|a| a.net.addr() == client) {
        return Ok(());
    }
    judge(Some(client), target, &attached, is_guest_bridge)
}

fn unknown(error: &io::Error) -> String {
    format!("this machine's addresses are unknown: {error}")
}

/// `client` is `None` for one that is on none of our networks.
fn judge(
    client: Option<IpAddr>,
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
        let is_neighbour = client.is_some_and(|client| a.net.contains(&client));
        if a.net.contains(&target) && !is_neighbour && is_guest_bridge(&a.interface) {
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

#[cfg(test)]
mod tests {
    use super::{from_here, judge, permitted};
    use crate::accept::Asker;
    use crate::accept::interfaces::Attached;
    use crate::config::Policy;
    use crate::route::{Destination, Router};

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
            let judged = judge(Some(ip("172.17.0.8")), ip(target), &attached, bridge);
            assert_eq!(judged.is_ok(), reached, "{target}: {judged:?}");
            // Of another world: it may have the same address there, and is nobody's neighbour here.
            let judged = judge(None, ip(target), &attached, bridge);
            let reached = reached && target != "172.17.0.9";
            assert_eq!(judged.is_ok(), reached, "{target}: {judged:?}");
        }
    }

    #[test]
    fn a_name_leads_another_world_to_a_private_address_only_where_one_of_both_is_named() {
        let client = "10.244.0.2:41000".parse().expect("address");
        let original = "203.0.113.9:443".parse().expect("address");
        let asker = Asker::chained(client, original);
        let to = Destination::parse("db.test:443", None).expect("destination");
        for (bypass, target, reached) in [
            ("", "192.168.214.9", false),
            ("*,other.test", "192.168.214.9", false),
            ("db.test", "192.168.214.9", true),
            ("192.168.214.0/24", "192.168.214.9", true),
            ("", "203.0.113.1", true),
            ("db.test,127.0.0.0/8", "127.0.0.1", false),
        ] {
            let router = Router::new(Policy {
                bypass: bypass.parse().expect("bypass"),
                ..Policy::direct("test")
            });
            let permitted = permitted(&asker, &router, &to, ip(target));
            assert_eq!(permitted.is_ok(), reached, "{bypass}: {permitted:?}");
        }
    }

    #[test]
    fn a_client_of_this_machine_may_go_anywhere() {
        assert_eq!(from_here(ip("127.0.0.1"), ip("127.0.0.1")), Ok(()));
        assert!(from_here(ip("203.0.113.50"), ip("127.0.0.1")).is_err());
    }
}
