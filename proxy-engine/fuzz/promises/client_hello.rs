//! A ClientHello is one however it comes, and its name may stand in a CONNECT line.

use proxy_engine::sniff::client_hello::{Sniffed, Sniffer, sniff};

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let whole = sniff(bytes);
    let mut sniffer = Sniffer::default();
    let mut decided = None;
    let step = bytes.len() / 32 + 1;
    for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
        let now = sniff(&bytes[..end]);
        if let Some(before) = &decided {
            assert_eq!(before, &now, "it changed its mind at {end}");
            continue;
        }
        assert_eq!(
            sniffer.look(&bytes[..end]),
            now,
            "little by little, at {end}"
        );
        decided = Some(now).filter(|now| *now != Sniffed::Incomplete);
    }
    assert_eq!(decided.unwrap_or(Sniffed::Incomplete), whole);
    if let Sniffed::Hello(hello) = whole
        && let Some(name) = hello.server_name
    {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        assert!(
            (1..=253).contains(&name.len()) && name.bytes().all(fits),
            "{name:?}"
        );
    }
}
