//! The port that a connection of ours leaves by.
//!
//! Whoever closes first keeps the port for a minute (`TIME_WAIT`, RFC 9293, section 3.6.1), and a
//! relay whose clients close first is that one towards its upstream: of the 28,232 ports that the
//! kernel chooses from, none is left after a minute of 470 connections a second. The kernel takes
//! such a port again for a socket that is bound to it by name: that is safe by the timestamps of
//! TCP (RFC 7323, section 5), which both ends have on by default.
//!
//! Long before none is left, the kernel's own choice gets slow: it looks at each port of every
//! second number, and at all that wait, before it turns to the other half. At 1,000 connections a
//! second that took an engine's whole processor after 14 seconds. So the kernel chooses only while
//! few connections are dialled.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::accept::dialing_socket;

/// A port may be in use towards the same peer: another one is tried, so often.
const TRIES: usize = 64;
/// How long a port waits.
const WAIT: Duration = Duration::from_mins(1);
/// The kernel chooses as long as no more than one in so many of its ports was dialled from in a
/// minute: then it finds one at the first look.
const FEW: u32 = 8;
/// The kernel's own range where it cannot be read (ip(7), `ip_local_port_range`).
const USUAL: RangeInclusive<u16> = 32768..=60999;

/// How many connections were dialled of late.
static DIALLED: Mutex<Dialled> = Mutex::new(Dialled {
    since: None,
    now: 0,
    before: 0,
    ports: USUAL,
    reserved: Vec::new(),
});
/// Which port is tried next, counted from the first of the range.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Connects, from a port that waits where no other is left.
///
/// # Errors
/// Those of connect(2).
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let (few, range) = dialled().one_more(Instant::now());
    if few {
        match from(to, 0).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            other => return other,
        }
    }
    for _ in 0..TRIES {
        let port = next(&range);
        if dialled().is_reserved(port) {
            continue;
        }
        match from(to, port).await {
            Err(error) if is_taken(&error) => {}
            other => return other,
        }
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

fn dialled() -> MutexGuard<'static, Dialled> {
    // The numbers are whole between two statements.
    DIALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts by the minute.
struct Dialled {
    since: Option<Instant>,
    now: u32,
    /// In the minute before.
    before: u32,
    /// What the kernel chooses from, as it was when this minute began.
    ports: RangeInclusive<u16>,
    /// What it leaves to others of these.
    reserved: Vec<RangeInclusive<u16>>,
}

impl Dialled {
    /// Counts one more. Whether those whose ports may wait are still few, and what to choose from
    /// if not.
    fn one_more(&mut self, now: Instant) -> (bool, RangeInclusive<u16>) {
        let age = self.since.map(|since| now - since);
        if age.is_none_or(|age| age >= WAIT) {
            // What is older than two minutes waits no more.
            let fresh = age.is_some_and(|age| age < WAIT * 2);
            self.before = if fresh { self.now } else { 0 };
            (self.since, self.now) = (Some(now), 0);
            (self.ports, self.reserved) = (range(), reserved());
        }
        self.now = self.now.saturating_add(1);
        let few = u32::try_from(self.ports.len()).unwrap_or(u32::MAX) / FEW;
        (self.now.max(self.before) <= few, self.ports.clone())
    }

    /// Whether the port is kept for somebody (`ip_local_reserved_ports`, ip-sysctl).
    fn is_reserved(&self, port: u16) -> bool {
        self.reserved.iter().any(|range| range.contains(&port))
    }
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

/// Single ports and ranges with commas: `8080,9000-9010`.
fn reserved() -> Vec<RangeInclusive<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports");
    let text = text.unwrap_or_default();
    let ranges = text.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.collect()
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
    fn the_kernel_chooses_while_few_are_dialled_and_again_two_minutes_after_many() {
        let mut dialled = super::Dialled {
            since: None,
            now: 0,
            before: 0,
            ports: super::USUAL,
            reserved: Vec::new(),
        };
        let range = super::range();
        let few = range.len() / super::FEW as usize;
        let began = std::time::Instant::now();
        for _ in 0..few {
            assert_eq!(dialled.one_more(began), (true, range.clone()));
        }
        assert!(!dialled.one_more(began).0, "one more than few");
        let minutes = |minutes| began + Duration::from_mins(minutes);
        assert!(!dialled.one_more(minutes(1)).0, "their ports may wait");
        assert!(dialled.one_more(minutes(2)).0, "few in the last minute");
        for _ in 0..few {
            dialled.one_more(minutes(2));
        }
        assert!(!dialled.one_more(minutes(2)).0, "many again");
        assert!(dialled.one_more(minutes(4)).0, "nothing for two minutes");
    }

    #[test]
    fn more_connections_are_opened_than_there_are_ports_although_each_is_closed_here_first() {
        let row = Row::new(&[]).expect("namespaces");
        let range = format!("net.ipv4.ip_local_port_range=40000 {}", 40_000 + FEW - 1);
        let reserved = "net.ipv4.ip_local_reserved_ports=40003,40010-40011";
        for set in [range.as_str(), reserved] {
            let set = row.node.exec("sysctl", &["-qw", set]).expect("sysctl");
            assert!(set.status.success(), "{set:?}");
        }
        let listener = row.corp.enter(|| TcpListener::bind("0.0.0.0:3128"));
        let listener = listener.expect("entered").expect("listens");
        let peer = std::thread::spawn(move || {
            for _ in 0..FEW * 4 {
                let (mut stream, from) = listener.accept().expect("accepted");
                assert!(![40_003, 40_010, 40_011].contains(&from.port()), "{from}");
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
