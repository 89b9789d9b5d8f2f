//! Copying in user space. Memory is taken when bytes arrive, and given back when they stop.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A pair on which nothing moved for this long is closed: more than two hours, so that
/// `kubectl logs -f` on a quiet pod lives (RFC 5382, REQ-5).
pub const IDLE: Duration = Duration::from_mins(124);

/// The first reads of a burst.
const SMALL: usize = 16 * 1024;
/// Reads of a direction that has moved [`BULK_AFTER`].
const LARGE: usize = 64 * 1024;
/// From here on a direction counts as bulk.
const BULK_AFTER: u64 = 256 * 1024;

/// Copies in both directions until both have ended. The end of one direction is passed on (FIN)
/// and leaves the other flowing; a reset of one side resets the other, so that nobody takes a
/// broken stream for a finished one.
///
/// `early_up` and `early_down` are bytes that were read already; they count.
///
/// # Errors
/// The first error of either side; [`io::ErrorKind::TimedOut`] after [`IDLE`] without a byte.
pub async fn relay(
    client: TcpStream,
    origin: TcpStream,
    early_up: &[u8],
    early_down: &[u8],
    bytes_up: &AtomicU64,
    bytes_down: &AtomicU64,
) -> io::Result<()> {
    let clock = Clock::new();
    let up = direction(&client, &origin, early_up, bytes_up, &clock);
    let down = direction(&origin, &client, early_down, bytes_down, &clock);
    let both = async { tokio::try_join!(up, down).map(|_| ()) };
    let result = tokio::select! {
        result = both => result,
        () = clock.idle() => return Err(io::ErrorKind::TimedOut.into()),
    };
    if result.is_err() {
        reset(&client);
        reset(&origin);
    }
    result
}

/// Makes the coming close of the stream a reset.
pub fn reset(stream: &TcpStream) {
    // On a socket that is dead already there is nothing to reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn direction(
    from: &TcpStream,
    to: &TcpStream,
    early: &[u8],
    count: &AtomicU64,
    clock: &Clock,
) -> io::Result<()> {
    if !early.is_empty() {
        count.fetch_add(early.len() as u64, Relaxed);
        write_all(to, early).await?;
    }
    let mut moved = 0;
    loop {
        from.readable().await?;
        let size = if moved < BULK_AFTER { SMALL } else { LARGE };
        let mut buffer = Vec::with_capacity(size);
        loop {
            buffer.clear();
            match from.try_read_buf(&mut buffer) {
                Ok(0) => {
                    return match SockRef::from(to).shutdown(Shutdown::Write) {
                        // The other side is gone already; its own direction says how.
                        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                        result => result,
                    };
                }
                Ok(read) => {
                    clock.tick();
                    moved += read as u64;
                    count.fetch_add(read as u64, Relaxed);
                    write_all(to, &buffer).await?;
                    if size == SMALL && moved >= BULK_AFTER {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// When a byte moved last, shared by both directions.
struct Clock {
    start: Instant,
    /// Milliseconds after `start`.
    last: AtomicU64,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    fn tick(&self) {
        let since = self.start.elapsed().as_millis();
        self.last
            .store(u64::try_from(since).unwrap_or(u64::MAX), Relaxed);
    }

    /// Ends when nothing moved for [`IDLE`].
    async fn idle(&self) {
        loop {
            let due = self.start + Duration::from_millis(self.last.load(Relaxed)) + IDLE;
            if Instant::now() >= due {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}
