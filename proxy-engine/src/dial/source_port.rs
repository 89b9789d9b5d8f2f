//! The port that a connection of ours leaves by.
//!
//! Whoever closes first keeps the port for a minute (`TIME_WAIT`, RFC 9293, section 3.6.1), and a
//! relay whose clients close first is that one towards its upstream: of the 28,232 ports that the
//! kernel chooses from, none is left after a minute of 470 connections a second. The kernel takes
//! such a port again for a socket that is bound to it by name: that is safe by the timestamps of
//! TCP (RFC 7323, section 5), which both ends have on by default.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::accept::dialing_socket;

/// A port may be in use towards the same peer: another one is tried, so often.
const TRIES: usize = 64;
/// The kernel looks at each of its ports before it says that none is left: after that, it is not
/// asked again for so long.
const SHORT: Duration = Duration::from_mins(1);
/// The kernel's own range where it cannot be read (ip(7), `ip_local_port_range`).
const USUAL: RangeInclusive<u16> = 32768..=60999;

/// Until when the kernel is not asked for a port.
static SHORT_UNTIL: Mutex<Option<Instant>> = Mutex::new(None);
/// Which port is tried next, counted from the first of the range.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Connects, from a port that waits where no other is left.
///
/// # Errors
/// Those of connect(2).
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    if !is_short() {
        match from(to, 0).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            other => return other,
        }
    }
    let range = range();
    for _ in 0..TRIES {
        let connected = match from(to, next(&range)).await {
            Err(error) if is_taken(&error) => continue,
            other => other?,
        };
        // Only now it is known that it was for the ports.
        *lock() = Some(Instant::now() + SHORT);
        return Ok(connected);
    }
    from(to, 0).await
}

/// Port 0: one that the kernel chooses.
async fn from(to: SocketAddr, port: u16) -> io::Result<TcpStream> {
    let any: IpAddr = if to.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = dialing_socket(to).await?;
    // Said of every socket: one that did not say it keeps its port from the next.
    socket.set_reuseaddr(true)?;
    if port != 0 {
        socket.bind(SocketAddr::new(any, port))?;
    }
    socket.connect(to).await
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
    )
}

fn is_short() -> bool {
    lock().is_some_and(|until| Instant::now() < until)
}

fn lock() -> std::sync::MutexGuard<'static, Option<Instant>> {
    // One value, stored whole.
    SHORT_UNTIL.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next(range: &RangeInclusive<u16>) -> u16 {
    let ports = (range.end() - range.start()).saturating_add(1);
    range.start() + NEXT.fetch_add(1, Relaxed) % ports
}

fn range() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let text = text.unwrap_or_default();
    let mut bounds = text.split_ascii_whitespace().map(str::parse);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(first)), Some(Ok(last))) if 0 < first && first <= last => first..=last,
        _ => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    use testbed::Row;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const FEW: usize = 16;

    #[test]
    fn more_connections_are_opened_than_there_are_ports_although_each_is_closed_here_first() {
        let row = Row::new(&[]).expect("namespaces");
        let range = format!("net.ipv4.ip_local_port_range=40000 {}", 40_000 + FEW - 1);
        let set = row.node.exec("sysctl", &["-qw", &range]).expect("sysctl");
        assert!(set.status.success(), "{set:?}");
        let listener = row.corp.enter(|| TcpListener::bind("0.0.0.0:3128"));
        let listener = listener.expect("entered").expect("listens");
        let peer = std::thread::spawn(move || {
            for _ in 0..FEW * 4 {
                let (mut stream, _) = listener.accept().expect("accepted");
                // It closes after us.
                stream.read_to_end(&mut Vec::new()).expect("read");
            }
        });
        let to = "10.66.0.2:3128".parse().expect("the proxy of the row");
        let dial = async || {
            let mut stream = super::connect(to).await?;
            stream.shutdown().await?;
            stream.read(&mut [0]).await
        };
        let dialled = row.node.enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("runtime");
            runtime.block_on(async {
                for connection in 0..FEW * 4 {
                    let ended = tokio::time::timeout(Duration::from_secs(5), dial()).await;
                    let ended = ended.expect("in time");
                    assert_eq!(ended.expect("connected"), 0, "connection {connection}");
                }
            });
        });
        dialled.expect("entered");
        peer.join().expect("each one was served");
    }
}
