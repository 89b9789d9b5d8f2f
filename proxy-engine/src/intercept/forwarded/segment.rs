//! The checksum of a TCP segment (RFC 9293, section 3.1; RFC 8200, section 8.1).
//!
//! A segment from a container on this machine has none yet: the sender leaves the sum to a network
//! card that it will never pass. Sent again, it needs one.

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// IANA number of TCP.
const TCP: u8 = 6;
/// Where the checksum stands in a TCP header, and how long that is without options.
const SUM: usize = 16;
const SHORTEST: usize = 20;

/// Puts the right checksum in the segment of `packet`, an IP packet, and cuts what lies behind it.
/// `None`, and the packet is none to be sent: no IP, not whole, or TCP does not follow at once.
pub(super) fn sum_up(packet: &mut Vec<u8>) -> Option<Family> {
    let half = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let (family, start, end, addresses) = match packet.first()? >> 4 {
        4 => {
            let start = usize::from(packet[0] & 0xf) * 4;
            // More fragments, or not the first one.
            let fragment = half(6)? & 0x3fff != 0;
            if start < 20 || fragment || *packet.get(9)? != TCP {
                return None;
            }
            (Family::V4, start, usize::from(half(2)?), 12..20)
        }
        6 => {
            if *packet.get(6)? != TCP {
                return None;
            }
            (Family::V6, 40, 40 + usize::from(half(4)?), 8..40)
        }
        _ => return None,
    };
    if end > packet.len() || end < start + SHORTEST {
        return None;
    }
    packet.truncate(end);
    packet[start + SUM..start + SUM + 2].fill(0);
    let length = u32::try_from(end - start).ok()?;
    let sum = u32::from(TCP)
        + length
        + halves(&packet[addresses]).sum::<u32>()
        + halves(&packet[start..]).sum::<u32>();
    let sum = !folded(sum);
    packet[start + SUM..start + SUM + 2].copy_from_slice(&sum.to_be_bytes());
    Some(family)
}

/// The numbers of 16 bits that `bytes` are; a last single byte counts as followed by zero.
fn halves(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([pair[0], low]))
    })
}

/// Adds what overflowed 16 bits, twice: the first time may overflow again.
fn folded(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    u16::try_from((once & 0xffff) + (once >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Family, sum_up};

    /// An opening segment from 10.66.0.2 to 127.0.0.1, without its sum.
    const V4: &str = "4500003c1c464000400600000a4200027f000001\
                      d4310050000000010000000080020200000000000204ffd7";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16))
            .collect::<Result<_, _>>()
            .expect("hex")
    }

    /// The sum over everything, the checksum included, is all ones in a right segment.
    fn is_right(packet: &[u8], addresses: std::ops::Range<usize>, start: usize) -> bool {
        let mut sum: u64 = 6 + (packet.len() - start) as u64;
        for range in [&packet[addresses], &packet[start..]] {
            for pair in range.chunks(2) {
                sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
            }
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum == 0xffff
    }

    #[test]
    fn what_is_no_whole_tcp_segment_is_not_sent() {
        let good = {
            let mut packet = bytes(V4);
            let length = u16::try_from(packet.len()).expect("short");
            packet[2..4].copy_from_slice(&length.to_be_bytes());
            packet
        };
        assert_eq!(sum_up(&mut good.clone()), Some(Family::V4));
        for (at, value) in [
            (0, 0x55),
            (0, 0x44),
            (0, 0x4f),
            (3, 0xff),
            (3, 30),
            (6, 0x20),
            (7, 1),
            (9, 17),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(sum_up(&mut bad), None, "{value} at {at}");
        }
        for length in 0..good.len() {
            assert_eq!(sum_up(&mut good[..length].to_vec()), None, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn the_sum_is_right_whatever_the_segment_holds(
            addresses in any::<[u8; 32]>(),
            segment in proptest::collection::vec(any::<u8>(), 20..1500),
            behind in proptest::collection::vec(any::<u8>(), 0..9),
        ) {
            let length = u16::try_from(segment.len()).expect("short");
            let mut v4 = vec![0x45, 0];
            v4.extend((length + 20).to_be_bytes());
            v4.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
            v4.extend(&addresses[..8]);
            v4.extend(&segment);
            v4.extend(&behind);
            prop_assert_eq!(sum_up(&mut v4), Some(Family::V4));
            prop_assert_eq!(v4.len(), 20 + segment.len());
            prop_assert!(is_right(&v4, 12..20, 20));

            let mut v6 = vec![0x60, 0, 0, 0];
            v6.extend(length.to_be_bytes());
            v6.extend([6, 64]);
            v6.extend(&addresses);
            v6.extend(&segment);
            v6.extend(&behind);
            prop_assert_eq!(sum_up(&mut v6), Some(Family::V6));
            prop_assert_eq!(v6.len(), 40 + segment.len());
            prop_assert!(is_right(&v6, 8..40, 40));
        }

        #[test]
        fn no_bytes_make_it_stumble(mut packet in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = sum_up(&mut packet);
        }
    }
}
