//! Destinations that are never captured: they lie on this side of any proxy.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Ranges as the kernel's interval sets want them, sorted and not touching: the first address, and
/// the first one behind (`None`: the range goes to the end of the address space).
///
/// "This network", RFC 1918, shared addresses (RFC 6598), loopback, link-local, multicast and
/// reserved (RFC 6890).
pub(super) const V4: [(Ipv4Addr, Option<Ipv4Addr>); 8] = [
    (Ipv4Addr::new(0, 0, 0, 0), Some(Ipv4Addr::new(1, 0, 0, 0))),
    (Ipv4Addr::new(10, 0, 0, 0), Some(Ipv4Addr::new(11, 0, 0, 0))),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        Some(Ipv4Addr::new(100, 128, 0, 0)),
    ),
    (
        Ipv4Addr::new(127, 0, 0, 0),
        Some(Ipv4Addr::new(128, 0, 0, 0)),
    ),
    (
        Ipv4Addr::new(169, 254, 0, 0),
        Some(Ipv4Addr::new(169, 255, 0, 0)),
    ),
    (
        Ipv4Addr::new(172, 16, 0, 0),
        Some(Ipv4Addr::new(172, 32, 0, 0)),
    ),
    (
        Ipv4Addr::new(192, 168, 0, 0),
        Some(Ipv4Addr::new(192, 169, 0, 0)),
    ),
    // Multicast and reserved, to the end.
    (Ipv4Addr::new(224, 0, 0, 0), None),
];

/// Unspecified and loopback, unique local (RFC 4193), link-local, multicast.
pub(super) const V6: [(Ipv6Addr, Option<Ipv6Addr>); 4] = [
    (
        Ipv6Addr::UNSPECIFIED,
        Some(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 2)),
    ),
    (
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        Some(Ipv6Addr::new(0xfe00, 0, 0, 0, 0, 0, 0, 0)),
    ),
    (
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0),
        Some(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0)),
    ),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), None),
];
