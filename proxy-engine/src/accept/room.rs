//! Room for another connection: descriptors that are still free, in this process and on the
//! machine.
//!
//! The kernel gives the lowest free number (open(2)): one that lies near the limit means that
//! every one below is taken. So the number of a new socket tells how full the table is, and costs
//! nothing to ask.

#[cfg(unix)]
mod limit;
#[cfg(windows)]
#[path = "room/no_limit.rs"]
mod limit;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use limit::{is_lacking, is_of_this_process, limit, next_number, number, too_many};

/// Descriptors that no listener takes: whoever was let in needs one to be dialled for, names are
/// resolved through some. Half of them not even a dial takes: the control socket must tell what is
/// wrong.
const RESERVE: u64 = 64;
/// With few in all, one of so many is in the reserve.
const SHARE: u64 = 16;

/// How often whoever lacks room looks for some.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// Whoever was let in waits this long to be dialled for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The log says it no more often.
const AGAIN: Duration = Duration::from_mins(1);

/// There is one table of descriptors, however many engines there are.
static LACK: Lack = Lack {
    is_there: AtomicBool::new(false),
    reserved_from: AtomicU64::new(0),
    known: Mutex::new(Known {
        why: None,
        said: None,
    }),
};

struct Lack {
    is_there: AtomicBool,
    /// The first number of the reserve when it was last looked at.
    reserved_from: AtomicU64,
    known: Mutex<Known>,
}

struct Known {
    why: Option<String>,
    said: Option<Instant>,
}

/// Why connections wait at the moment, in one sentence that says what to do; `None` when there is
/// room for them.
pub(crate) fn lack() -> Option<String> {
    if !LACK.is_there.load(Relaxed) {
        return None;
    }
    let mut known = known();
    if next_number().is_ok_and(|next| next < limit() - reserve()) {
        known.why = None;
        LACK.is_there.store(false, Relaxed);
    }
    known.why.clone()
}

/// A connection was taken: is it one of the last?
pub(super) fn taken(stream: &TcpStream) {
    // Where it is, the next one waits.
    let _ = is_beyond(number(stream), reserve);
}

/// A socket to dial this address with, as soon as there is room for it.
///
/// # Errors
/// The kernel's; the lack of descriptors after 5 s.
pub(crate) async fn dialing_socket(to: SocketAddr) -> io::Result<TcpSocket> {
    let open = || {
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if is_beyond(number(&socket), || reserve() / 2) {
            return Err(too_many());
        }
        Ok(socket)
    };
    once_there_is_room(|| std::future::ready(open())).await
}

/// Whether the error is such a lack; then it is known from now on.
pub(super) fn is_lack(error: &io::Error) -> bool {
    let lacking = is_lacking(error);
    if lacking {
        begins(Some(error));
    }
    lacking
}

/// Does it as soon as there is a descriptor for it: more may have been let in at once than the
/// reserve is for.
///
/// # Errors
/// Those of `attempt`; the lack itself after 5 s.
pub(crate) async fn once_there_is_room<T, F>(mut attempt: impl FnMut() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let due = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(error) if is_lack(&error) && Instant::now() < due => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Whether this number lies among the last `spare` ones; one in the reserve begins a lack.
fn is_beyond(number: u64, spare: impl Fn() -> u64) -> bool {
    if number < LACK.reserved_from.load(Relaxed) {
        return false;
    }
    // The limit is asked for at the first socket, and where it may have been raised meanwhile.
    let limit = limit();
    let from = limit - reserve();
    LACK.reserved_from.store(from, Relaxed);
    if number >= from {
        begins(None);
    }
    number >= limit - spare()
}

fn begins(error: Option<&io::Error>) {
    let mut known = known();
    let why = match error {
        Some(error) if !is_of_this_process(error) => {
            format!("connections wait until the machine has room for them: {error}")
        }
        _ => format!(
            "connections wait for others to end: this process may open {} files; raise that limit \
             (LimitNOFILE= of its unit, or ulimit -n)",
            limit()
        ),
    };
    if known.said.is_none_or(|said| said.elapsed() > AGAIN) {
        known.said = Some(Instant::now());
        tracing::warn!("{why}");
    }
    known.why = Some(why);
    LACK.is_there.store(true, Relaxed);
}

fn reserve() -> u64 {
    RESERVE.min(limit() / SHARE)
}

fn known() -> MutexGuard<'static, Known> {
    // Both values are whole between two statements.
    LACK.known.lock().unwrap_or_else(PoisonError::into_inner)
}
