//! The name in a connection's first bytes, read without changing them.

pub mod client_hello;
pub mod request_head;

/// Whether `name` is a host name that may stand in a CONNECT line: letters, digits, `-`, `_` and
/// dots, 253 bytes at most, no empty label and none over 63 bytes; an IPv4 address passes too.
pub fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}
