//! The names and addresses that a script asks for. They are looked up here, beside it: neither the
//! worker nor a thread of the engine waits meanwhile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::worker::{Ask, Wants};
use crate::dial::resolve;
use crate::route::Host;

/// So many names at a time; each holds a thread while a resolver is silent.
const MOST: usize = 32;

/// Looks names up, so many at a time.
#[derive(Debug, Clone)]
pub(super) struct Names(Arc<Semaphore>);

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Names {
    /// Finds out what a script wants; whether it is known in time. A name that takes longer has no
    /// address, and the script goes on.
    pub(super) async fn find(&self, wants: Wants, ask: &mut Ask, until: Instant) -> bool {
        match wants {
            Wants::Own => {
                ask.own = Some(own());
                true
            }
            Wants::Name(name) => {
                let found = self.addresses(&name, until).await;
                let in_time = found.is_some();
                ask.names.insert(name, found.unwrap_or_default());
                in_time
            }
        }
    }

    /// The addresses of a name, none where it has none; `None` where that is not known in time.
    async fn addresses(&self, name: &str, until: Instant) -> Option<Vec<IpAddr>> {
        let host = Host::Name(name.to_owned());
        let turns = Arc::clone(&self.0);
        let look = async {
            let turn = turns.acquire_owned().await.ok()?;
            // It goes on by itself, and so does its turn: a silent resolver holds a thread for as
            // long as it is silent, whoever has stopped waiting.
            let looking = tokio::spawn(async move {
                let found = resolve(&host, 0).await;
                drop(turn);
                found
            });
            let found = looking.await.ok()?.unwrap_or_default();
            Some(found.into_iter().map(|at| at.ip()).collect())
        };
        tokio::time::timeout_at(until, look).await.ok().flatten()
    }
}

/// The addresses by which this machine goes out, IPv4 first. Nothing is sent: connecting a datagram
/// socket asks the routing table. (The addresses there are those of documentation.)
fn own() -> Vec<IpAddr> {
    let outside = [
        (
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        ),
        (
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        ),
    ];
    let by = |(from, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind(SocketAddr::new(from, 0)).ok()?;
        socket.connect(SocketAddr::new(to, 53)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    outside
        .into_iter()
        .filter_map(by)
        .filter(|ip| !ip.is_unspecified())
        .collect()
}
