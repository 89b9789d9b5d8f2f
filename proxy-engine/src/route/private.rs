//! Networks that no proxy of a company reaches for us.

use std::net::{IpAddr, Ipv4Addr};

/// Whether the address is private, shared (RFC 6598), loopback, link-local, unspecified or
/// multicast: dialled directly under every policy.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || a == 0
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
        }
    }
}

/// Whether the address is private, or stands for one that is.
pub fn is_inner(ip: IpAddr) -> bool {
    is_private(ip) || carried(ip).is_some_and(|inner| is_private(inner.into()))
}

/// The IPv4 address that an IPv6 one stands for: NAT64 (RFC 6052, section 2.1), 6to4 (RFC 3056),
/// IPv4-compatible (RFC 4291, section 2.5.5.1).
pub fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
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
    use super::is_private;

    #[test]
    fn private_ranges_end_where_they_should() {
        for (ip, private) in [
            ("10.0.0.0", true),
            ("9.255.255.255", false),
            ("172.16.0.1", true),
            ("172.32.0.0", false),
            ("192.168.255.255", true),
            ("100.63.255.255", false),
            ("100.64.0.0", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("169.254.169.254", true),
            ("127.8.8.8", true),
            ("224.0.0.251", true),
            ("203.0.113.1", false),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("fd12::1", true),
            ("fe80::1", true),
            ("ff02::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip.parse().expect("address")), private, "{ip}");
        }
    }
}
