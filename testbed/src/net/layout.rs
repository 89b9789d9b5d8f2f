//! Links, addresses and routes of the corporate network.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use super::{
    CorpNet, GATEWAY, GATEWAY_V6, Netns, ORIGIN, ORIGIN_V6, POD_BRIDGE, PROXY, PROXY_V6, REGISTRY,
    RESOLVER,
};
use crate::Result;
use crate::child::run;

/// Joins the five namespaces as the picture in [`super`] shows.
pub(super) fn build(corp: &CorpNet) -> Result<()> {
    internet(corp)?;
    office(corp)?;
    plug(
        &corp.router,
        "proxy",
        &corp.proxy,
        "office",
        &[&format!("{PROXY}/24"), &format!("{PROXY_V6}/64")],
    )?;
    plug(
        &corp.router,
        "node",
        &corp.node,
        "eth0",
        &["10.66.0.10/24", "fd66::10/64"],
    )?;
    default_route(&corp.node)?;
    pods(&corp.pod, &corp.node)
}

fn internet(corp: &CorpNet) -> Result<()> {
    link(&corp.inet, "eth0", &corp.proxy, "outside")?;
    for address in [ORIGIN, REGISTRY] {
        add(&corp.inet, "eth0", &format!("{address}/24"))?;
    }
    add(&corp.inet, "eth0", &format!("{ORIGIN_V6}/64"))?;
    add(&corp.proxy, "outside", "203.0.113.2/24")?;
    add(&corp.proxy, "outside", "2001:db8:113::2/64")
}

/// The LAN's bridge stands in the router; what would leave by it is sent back as forbidden, as
/// office firewalls do that want people to notice. `prohibit` answers with ICMP, so that a test
/// of "it cannot get out" does not wait for a time-out.
fn office(corp: &CorpNet) -> Result<()> {
    let router = &corp.router;
    // An address of its own: a bridge without one takes its ports' lowest, and changes it under
    // its neighbours when a machine is plugged in.
    router.ip("link add lan address 02:00:0a:42:00:01 type bridge")?;
    for address in [
        format!("{GATEWAY}/24"),
        format!("{RESOLVER}/24"),
        format!("{GATEWAY_V6}/64"),
    ] {
        add(router, "lan", &address)?;
    }
    router.ip("link set lan up")?;
    forward(router)?;
    router.ip("route add prohibit default")?;
    router.ip("-6 route add prohibit default").map(drop)
}

/// Puts `pod` behind a bridge of `node`, which forwards and masquerades it.
pub(super) fn pods(pod: &Netns, node: &Netns) -> Result<()> {
    node.ip(&format!("link add {POD_BRIDGE} type bridge"))?;
    add(node, POD_BRIDGE, "10.244.0.1/24")?;
    add(node, POD_BRIDGE, "fd00:244::1/64")?;
    node.ip(&format!("link set {POD_BRIDGE} up"))?;
    forward(node)?;
    link(pod, "eth0", node, "veth-pod")?;
    node.ip(&format!("link set veth-pod master {POD_BRIDGE}"))?;
    add(pod, "eth0", "10.244.0.2/24")?;
    add(pod, "eth0", "fd00:244::2/64")?;
    pod.ip("route add default via 10.244.0.1")?;
    pod.ip("-6 route add default via fd00:244::1")?;
    node.sh(
        "nft 'table inet pods { chain postrouting { type nat hook postrouting priority srcnat; \
         ip saddr 10.244.0.0/24 oifname eth0 masquerade; \
         ip6 saddr fd00:244::/64 oifname eth0 masquerade; }; }'",
    )
    .map(drop)
}

/// Puts the namespace of the process `pid` on the LAN.
pub(super) fn attach(
    router: &Netns,
    pid: u32,
    port: &str,
    interface: &str,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
) -> Result<()> {
    router.ip(&format!(
        "link add {port} type veth peer name {interface} netns {pid}"
    ))?;
    router.ip(&format!("link set {port} master lan up"))?;
    for line in [
        format!("ip addr add {v4}/24 dev {interface}"),
        format!("ip addr add {v6}/64 dev {interface} nodad"),
        format!("ip link set {interface} up"),
        format!("ip route replace default via {GATEWAY}"),
        format!("ip -6 route replace default via {GATEWAY_V6}"),
    ] {
        let mut enter = Command::new("nsenter");
        enter
            .args(["-n", "-t", &pid.to_string(), "--"])
            .args(line.split(' '))
            .stdin(Stdio::null());
        run(enter)?;
    }
    Ok(())
}

/// A cable from `host` to the LAN's bridge in `router`.
fn plug(
    router: &Netns,
    port: &str,
    host: &Netns,
    interface: &str,
    addresses: &[&str],
) -> Result<()> {
    link(host, interface, router, port)?;
    router.ip(&format!("link set {port} master lan"))?;
    addresses
        .iter()
        .try_for_each(|address| add(host, interface, address))
}

fn default_route(host: &Netns) -> Result<()> {
    host.ip(&format!("route add default via {GATEWAY}"))?;
    host.ip(&format!("-6 route add default via {GATEWAY_V6}"))
        .map(drop)
}

/// A cable between two namespaces, up at both ends.
pub(super) fn link(a: &Netns, a_name: &str, b: &Netns, b_name: &str) -> Result<()> {
    a.ip(&format!(
        "link add {a_name} type veth peer name {b_name} netns {}",
        b.name()
    ))?;
    a.ip(&format!("link set {a_name} up"))?;
    b.ip(&format!("link set {b_name} up")).map(drop)
}

/// `nodad`: an address that is in use at once; there is nobody to clash with.
pub(super) fn add(host: &Netns, interface: &str, address: &str) -> Result<()> {
    let nodad = if address.contains(':') { "nodad" } else { "" };
    host.ip(&format!("addr add {address} dev {interface} {nodad}"))
        .map(drop)
}

/// Written by the shell: `sysctl` is a package of its own, and not everywhere.
fn forward(host: &Netns) -> Result<()> {
    host.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; \
         echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        .map(drop)
}
