//! TCP connections: every address of a name, none waited for too long.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{CONNECT_TIMEOUT, DialError, source_port};
use crate::accept::once_there_is_room;
use crate::config::Upstream;
use crate::route::Host;

/// How long one address is waited for before the next is tried beside it (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// A resolver that needs longer is taken for dead.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Dead peers are noticed after some minutes although nothing is sent.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(1))
    .with_interval(Duration::from_secs(30));

/// The addresses of a host, in the order of preference.
///
/// # Errors
/// The resolver's; [`io::ErrorKind::TimedOut`] after 5 s.
pub async fn resolve(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host {
        Host::Ip(ip) => Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => {
            let lookup = once_there_is_room(|| async {
                let found = tokio::net::lookup_host((name.as_str(), port)).await?;
                Ok(found.collect::<Vec<_>>())
            });
            let found = tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await??;
            Ok(found
                .into_iter()
                .map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()))
                .collect())
        }
    }
}

/// Connects to whichever address answers first, starting one after the other (RFC 8305): the first
/// of each family in turn, so that a family that leads nowhere costs a quarter of a second.
///
/// # Errors
/// That of the last address, or [`io::ErrorKind::TimedOut`] after [`CONNECT_TIMEOUT`].
pub async fn connect_any(addrs: &[SocketAddr]) -> io::Result<TcpStream> {
    connect_within(addrs, CONNECT_TIMEOUT).await
}

async fn connect_within(addrs: &[SocketAddr], patience: Duration) -> io::Result<TcpStream> {
    let addrs = by_turns(addrs);
    let stream = tokio::time::timeout(patience, race(&addrs)).await??;
    tune(&stream);
    Ok(stream)
}

/// Both families by turns, beginning with the one that the resolver prefers (RFC 8305, section 4).
fn by_turns(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let preferred = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addrs.iter().partition(|addr| addr.is_ipv6() == preferred);
    let mut second = second.into_iter();
    let mut turns: Vec<SocketAddr> = { first.into_iter() }
        .flat_map(|addr| [Some(addr), second.next()])
        .flatten()
        .collect();
    turns.extend(second);
    turns
}

async fn race(addrs: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut rest = addrs.iter();
    let mut next = rest.next();
    let mut pending = FuturesUnordered::new();
    loop {
        if let Some(addr) = next.take() {
            pending.push(source_port::connect(*addr));
        }
        tokio::select! {
            result = pending.next() => match result {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => {
                    next = rest.next();
                    if next.is_none() && pending.is_empty() {
                        return Err(error);
                    }
                }
                None => return Err(io::Error::new(io::ErrorKind::NotFound, "no address")),
            },
            () = tokio::time::sleep(STAGGER), if !rest.as_slice().is_empty() => next = rest.next(),
        }
    }
}

/// Connects to an upstream, over every address of its name.
pub(super) async fn upstream(
    upstream: &Upstream,
    patience: Duration,
) -> Result<TcpStream, DialError> {
    let unreachable = |source| DialError::UpstreamUnreachable {
        upstream: upstream.clone(),
        source,
    };
    let host = Host::parse(upstream.host())
        .ok_or_else(|| unreachable(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let addrs = resolve(&host, upstream.port()).await.map_err(unreachable)?;
    connect_within(&addrs, patience).await.map_err(unreachable)
}

/// What every socket of ours wants: small writes at once. Connections have it from the listener
/// that took them.
pub(crate) fn tune<'a, S>(socket: &'a S)
where
    SockRef<'a>: From<&'a S>,
{
    // It only makes things better: a kernel that refuses it still carries the bytes.
    let _ = SockRef::from(socket).set_tcp_nodelay(true);
}

/// What every socket wants that is not for a moment: dead peers noticed. Connections have it from
/// the listener that took them; those that are dialled get it when they prove to be long, for it
/// takes three system calls.
pub(crate) fn keep_alive<'a, S>(socket: &'a S)
where
    SockRef<'a>: From<&'a S>,
{
    // As above.
    let _ = SockRef::from(socket).set_tcp_keepalive(&KEEPALIVE);
}

/// A kept connection that is used again may lead nowhere any more: its other end has moved, or this
/// machine has. While it is in `doubt`, bytes that nobody acknowledges for 3 s break it.
#[cfg(target_os = "linux")]
pub(crate) fn doubt(stream: &TcpStream, doubt: bool) {
    const PATIENCE: Duration = Duration::from_secs(3);
    // A kernel that refuses waits for longer, as it does for every other connection.
    let _ = SockRef::from(stream).set_tcp_user_timeout(doubt.then_some(PATIENCE));
}

/// Elsewhere it is waited for as every other connection is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn doubt(_stream: &TcpStream, _doubt: bool) {}

#[cfg(test)]
mod tests {
    use super::connect_any;

    #[test]
    fn both_families_come_by_turns_and_the_preferred_one_first() {
        let addrs = |texts: &[&str]| -> Vec<std::net::SocketAddr> {
            let addrs = texts.iter().map(|text| text.parse().expect("address"));
            addrs.collect()
        };
        for (resolved, tried) in [
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"][..],
                &["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"][..],
            ),
            (
                &["10.0.0.1:1", "[::1]:1", "[::2]:1"],
                &["10.0.0.1:1", "[::1]:1", "[::2]:1"],
            ),
            (&["10.0.0.1:1", "10.0.0.2:1"], &["10.0.0.1:1", "10.0.0.2:1"]),
            (&[], &[]),
        ] {
            assert_eq!(super::by_turns(&addrs(resolved)), addrs(tried));
        }
    }

    #[tokio::test]
    async fn the_second_address_serves_where_the_first_refuses() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let dead = closed.local_addr().expect("address");
        drop(closed);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind");
        let alive = listener.local_addr().expect("address");
        let stream = connect_any(&[dead, alive]).await.expect("connected");
        assert_eq!(stream.peer_addr().expect("peer"), alive);
        assert!(connect_any(&[dead]).await.is_err());
        assert!(connect_any(&[]).await.is_err());
    }
}
