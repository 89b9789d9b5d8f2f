//! Giving up what was needed to set up.
#![allow(
    unsafe_code,
    reason = "capabilities belong to threads: a signal handler gives up those of each"
)]

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::thread::{CapabilitySet, CapabilitySets};

static DROPPED: AtomicBool = AtomicBool::new(false);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How long a thread may take to handle a signal.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives up every capability of every thread of this process, for good: effective, permitted,
/// inheritable, ambient and bounding, and `no_new_privs`, so that no program started later gets
/// them back. Rules stay in force, but cannot change any more: the holder then says
/// [`InterceptError::CapabilitiesDropped`](super::InterceptError::CapabilitiesDropped).
///
/// Capabilities belong to threads (capabilities(7)), and a thread can only change its own. So each
/// other thread is sent a signal whose handler does it; threads that block every signal make this
/// fail. It returns when `/proc/self/task/*/status` shows that none is left.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when a thread kept its capabilities; what the kernel says else.
pub fn drop_capabilities() -> io::Result<()> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    give_up()?;
    let signal = libc::SIGRTMIN() + 3;
    let former = handle(signal, on_signal as *const () as libc::sighandler_t)?;
    let result = give_up_everywhere(signal);
    // SAFETY: `former` came from sigaction for the same signal. A signal still under way would
    // meet the former handler, whose default ends the process: none is, every thread was seen done
    // (after a failure the handler stays).
    if result.is_ok() {
        unsafe { libc::sigaction(signal, &raw const former, std::ptr::null_mut()) };
    }
    DROPPED.store(true, Ordering::Release);
    result
}

/// Whether [`drop_capabilities`] was called in this process.
pub(super) fn were_dropped() -> bool {
    DROPPED.load(Ordering::Acquire)
}

fn handle(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<libc::sigaction> {
    // SAFETY: an all-zero sigaction is a valid one; both pointers are to live values.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut former: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        if libc::sigaction(signal, &raw const action, &raw mut former) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(former)
    }
}

fn give_up_everywhere(signal: libc::c_int) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut asked = Vec::new();
    // A thread may start another one while we look; that one inherits what it still had.
    loop {
        let privileged = privileged_threads()?;
        if privileged.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the threads {privileged:?} keep their capabilities"),
            ));
        }
        for thread in privileged {
            if !asked.contains(&thread) {
                asked.push(thread);
                // SAFETY: plain numbers. A thread that ended meanwhile gives ESRCH: it has none.
                unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
            }
        }
        std::thread::yield_now();
    }
}

/// The threads of this process that have a capability, or may get one by starting a program.
fn privileged_threads() -> io::Result<Vec<libc::pid_t>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let status = match fs::read_to_string(entry.path().join("status")) {
            Ok(status) => status,
            // It ended while we looked.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                continue;
            }
            Err(error) => return Err(error),
        };
        if is_privileged(&status)
            && let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok())
        {
            threads.push(id);
        }
    }
    Ok(threads)
}

/// Whether `status` (proc_pid_status(5)) shows any capability, or that a program could bring some.
fn is_privileged(status: &str) -> bool {
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| match name {
            "CapEff" | "CapPrm" | "CapInh" | "CapAmb" => value.trim().bytes().any(|b| b != b'0'),
            "NoNewPrivs" => value.trim() != "1",
            _ => false,
        })
}

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: errno is this thread's own; the interrupted code must find it as it was. `give_up`
    // makes system calls only: no allocation, no lock.
    unsafe {
        let errno = libc::__errno_location();
        let former = *errno;
        // A failure shows in /proc, where it is looked for.
        let _ = give_up();
        *errno = former;
    }
}

/// Gives up the capabilities of the calling thread. System calls alone: signal handlers call it.
pub(crate) fn give_up() -> io::Result<()> {
    use rustix::thread::{
        clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    };
    // Linux 4.3 and on; the sets below bound it anyway.
    let _ = clear_ambient_capability_set();
    // Needs CAP_SETPCAP, which a sidecar may lack; `no_new_privs` keeps programs from gaining.
    for capability in 0..64 {
        let _ =
            remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << capability));
    }
    set_no_new_privs(true)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}
