//! The names and addresses that a script asks for. They are looked up here, beside it: neither the
//! worker nor a thread of the engine waits meanwhile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::PacError;
use super::worker::{Ask, Wants};
use crate::dial::resolve;
use crate::route::Host;

/// So many names at a time; each holds a thread while a resolver is silent.
const MOST: usize = 32;
/// So many addresses of one name: whoever answers for a name must not fill the worker's messages.
const ADDRESSES: usize = 16;

/// Looks names up, so many at a time.
#[derive(Debug, Clone)]
pub(super) struct Names(Arc<Semaphore>);

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Names {
    /// Finds out what a script wants; whether it is known in time. A name whose resolver takes longer
    /// has no address, and the script goes on.
    ///
    /// # Errors
    /// [`PacError::Busy`]: the name was not even asked for, because others wait for theirs. Whoever
    /// causes that must not decide where everybody else goes.
    pub(super) async fn find(
        &self,
        wants: Wants,
        ask: &mut Ask,
        until: Instant,
    ) -> Result<bool, PacError> {
        match wants {
            Wants::Own => {
                ask.own = Some(own());
                Ok(true)
            }
            Wants::Name(name) => {
                let found = self.addresses(&name, until).await?;
                let in_time = found.is_some();
                ask.names.insert(name, found.unwrap_or_default());
                Ok(in_time)
            }
        }
    }

    /// The addresses of a name, none where it has none; `None` where that is not known in time.
    async fn addresses(&self, name: &str, until: Instant) -> Result<Option<Vec<IpAddr>>, PacError> {
        let host = Host::Name(name.to_owned());
        let turn = timeout_at(until, Arc::clone(&self.0).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(PacError::Busy);
        };
        // It goes on by itself, and so does its turn: a silent resolver holds a thread for as long
        // as it is silent, whoever has stopped waiting.
        let looking = tokio::spawn(async move {
            let found = resolve(&host, 0).await;
            drop(turn);
            found
        });
        let Ok(Ok(found)) = timeout_at(until, looking).await else {
            return Ok(None);
        };
        let found = found.unwrap_or_default().into_iter();
        Ok(Some(kept(found.map(|at| at.ip()))))
    }
}

/// Each once, in order, and no more than a script can use.
fn kept(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut kept = Vec::new();
    for ip in found {
        if kept.len() == ADDRESSES {
            break;
        }
        if !kept.contains(&ip) {
            kept.push(ip);
        }
    }
    kept
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::time::{Duration, Instant};

    use super::{ADDRESSES, Names, kept};
    use crate::pac::PacError;
    use crate::pac::worker::{Ask, Wants};

    #[test]
    fn a_name_with_thousands_of_addresses_has_the_first_of_them() {
        let many = (0..4_000_u32).map(|number| IpAddr::V4(Ipv4Addr::from(number / 2)));
        let kept = kept(many);
        assert_eq!(kept.len(), ADDRESSES);
        assert_eq!(kept[1], IpAddr::V4(Ipv4Addr::from(1)));
    }

    #[tokio::test]
    async fn a_name_that_nobody_had_time_to_ask_for_is_not_taken_for_none() {
        let names = Names::default();
        let every = u32::try_from(super::MOST).expect("few");
        let _others = names.0.acquire_many(every).await.expect("turns");
        let (mut ask, until) = (Ask::default(), Instant::now() + Duration::from_millis(20));
        let found = names.find(Wants::Name("localhost".into()), &mut ask, until);
        assert_eq!(found.await, Err(PacError::Busy));
        assert!(ask.names.is_empty());
    }
}
