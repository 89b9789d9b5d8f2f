//! A place with its own localhost, and the address at which it reaches an engine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use proxy_engine::config::Upstream;

/// The relay's fixed addresses: what configuration files are told, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Port of every explicit listener.
    pub port: u16,
    /// The containers' address (that of `docker0`); `None` where there is no container network.
    pub containers: Option<IpAddr>,
}

/// A network of containers or pods on this machine, and the bridge it hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerNetwork {
    /// The bridge: `docker0`, `br-1a2b3c4d5e6f`.
    pub interface: String,
    /// Its clients' addresses.
    pub subnets: Vec<IpNet>,
    /// Whether it was made without a way out; then it is never served and never intercepted.
    pub internal: bool,
}

/// The transparent listener's port.
pub const TRANSPARENT_PORT: u16 = 3183;

impl Relay {
    /// The desktop's address: loopback.
    pub fn loopback(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The containers' address.
    pub fn for_containers(&self) -> Option<SocketAddr> {
        self.containers.map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Whether `upstream` is this relay itself: following it would be a loop.
    pub fn is_itself(&self, upstream: &Upstream) -> bool {
        let ours = [self.port, TRANSPARENT_PORT].contains(&upstream.port());
        let here = match upstream.host().parse::<IpAddr>() {
            Ok(ip) => {
                let ip = ip.to_canonical();
                ip.is_loopback() || ip.is_unspecified() || Some(ip) == self.containers
            }
            Err(_) => upstream.host() == "localhost" || upstream.host().ends_with(".localhost"),
        };
        ours && here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_knows_itself_by_every_name_of_this_machine() {
        let relay = Relay {
            port: 3182,
            containers: Some([172, 17, 0, 1].into()),
        };
        let is = |url: &str| relay.is_itself(&url.parse().unwrap());
        for url in [
            "http://127.0.0.1:3182",
            "http://127.9.9.9:3182",
            "http://localhost:3182",
            "http://[::1]:3182",
            "http://[::ffff:127.0.0.1]:3182",
            "http://172.17.0.1:3182",
            "http://127.0.0.1:3183",
        ] {
            assert!(is(url), "{url}");
        }
        // Squid on this machine, and another machine's relay, are upstreams like any other.
        assert!(!is("http://127.0.0.1:3128"));
        assert!(!is("http://10.0.0.7:3182"));
    }
}
