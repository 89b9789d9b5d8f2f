//! Networks that no proxy of a company reaches for us.

use std::net::IpAddr;

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
