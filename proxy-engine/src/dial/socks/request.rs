//! What a SOCKS proxy is asked.

use std::net::{IpAddr, Ipv4Addr};

use secrecy::SecretSlice;

use crate::dial::auth::Attempt;
use crate::route::{Destination, Host};

/// "Connect", in every version.
const CONNECT: u8 = 1;

/// Version 4, for nobody in particular; a name makes 4a of it: an address that nobody has
/// (`0.0.0.x`), and the name at the end. Names hold no NUL: they were parsed.
pub(super) fn v4(to: &Destination) -> Vec<u8> {
    let (ip, name) = match &to.host {
        Host::Ip(IpAddr::V4(ip)) => (*ip, None),
        Host::Ip(IpAddr::V6(ip)) => (Ipv4Addr::new(0, 0, 0, 1), Some(ip.to_string())),
        Host::Name(name) => (Ipv4Addr::new(0, 0, 0, 1), Some(name.clone())),
    };
    let mut request = vec![4, CONNECT];
    request.extend_from_slice(&to.port.to_be_bytes());
    request.extend_from_slice(&ip.octets());
    request.push(0);
    if let Some(name) = name {
        request.extend_from_slice(name.as_bytes());
        request.push(0);
    }
    request
}

/// Version 5: which methods of authentication are offered (RFC 1928, section 3).
pub(super) fn greeting(with_password: bool) -> &'static [u8] {
    if with_password {
        &[5, 2, 0, 2]
    } else {
        &[5, 1, 0]
    }
}

/// User and password (RFC 1929, section 2); `None` where one is empty or longer than can be said.
pub(super) fn login(attempt: &Attempt) -> Option<SecretSlice<u8>> {
    attempt.with_user_and_password(|user, password| {
        let lengths = [user, password].map(|part| u8::try_from(part.len()).ok());
        let [Some(user_length @ 1..), Some(password_length @ 1..)] = lengths else {
            return None;
        };
        let mut request = Vec::with_capacity(3 + user.len() + password.len());
        request.extend_from_slice(&[1, user_length]);
        request.extend_from_slice(user.as_bytes());
        request.push(password_length);
        request.extend_from_slice(password.as_bytes());
        Some(request.into())
    })
}

/// Version 5: the destination (RFC 1928, section 4).
pub(super) fn v5(to: &Destination) -> Vec<u8> {
    let mut request = vec![5, CONNECT, 0];
    match &to.host {
        Host::Ip(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend_from_slice(&ip.octets());
        }
        Host::Ip(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend_from_slice(&ip.octets());
        }
        Host::Name(name) => {
            // No host name has more than 253 bytes.
            let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
            request.extend_from_slice(&[3, length]);
            request.extend_from_slice(&name.as_bytes()[..length.into()]);
        }
    }
    request.extend_from_slice(&to.port.to_be_bytes());
    request
}

#[cfg(test)]
mod tests {
    use crate::route::Destination;

    fn to(text: &str) -> Destination {
        Destination::parse(text, None).expect("destination")
    }

    #[test]
    fn requests_of_version_4_name_an_address_or_carry_the_name_at_their_end() {
        assert_eq!(
            super::v4(&to("192.0.2.7:443")),
            [4, 1, 1, 187, 192, 0, 2, 7, 0]
        );
        assert_eq!(
            super::v4(&to("a.test:80")),
            b"\x04\x01\x00\x50\x00\x00\x00\x01\0a.test\0"
        );
    }

    #[test]
    fn requests_of_version_5_name_an_address_of_either_kind_or_a_name() {
        assert_eq!(
            super::v5(&to("192.0.2.7:443")),
            [5, 1, 0, 1, 192, 0, 2, 7, 1, 187]
        );
        let six = super::v5(&to("[2001:db8::1]:80"));
        assert_eq!(six[..6], [5, 1, 0, 4, 0x20, 0x01]);
        assert_eq!(six.len(), 22);
        assert_eq!(
            super::v5(&to("a.test:80")),
            b"\x05\x01\x00\x03\x06a.test\x00\x50"
        );
    }
}
