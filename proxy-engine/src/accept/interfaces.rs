//! The addresses of this machine, and the networks that it is attached to.
#![cfg_attr(
    unix,
    allow(
        unsafe_code,
        reason = "getifaddrs(3) gives a list that must be walked and freed by hand"
    )
)]

use std::io;
#[cfg(unix)]
use std::net::IpAddr;
use std::sync::Arc;
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};
#[cfg(unix)]
use std::time::{Duration, Instant};

use ipnet::IpNet;

/// One address of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The interface's name.
    pub interface: String,
    /// The address with the length of its network's prefix.
    pub net: IpNet,
}

/// What is known is good for so long: a new bridge is seen a second after it came.
#[cfg(unix)]
const FRESH: Duration = Duration::from_secs(1);

/// What was found last.
#[cfg(unix)]
static LAST: Mutex<Option<Found>> = Mutex::new(None);

#[cfg(unix)]
thread_local! {
    /// The number of this thread's network namespace. A thread that enters another does so before
    /// anything else.
    static NAMESPACE: u64 = namespace();
}

#[cfg(unix)]
fn namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    // Where there are no such files there is one namespace.
    std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |file| file.ino())
}

#[cfg(unix)]
struct Found {
    when: Instant,
    /// The network namespace: the number of its file.
    namespace: u64,
    all: Arc<[Attached]>,
}

/// Every address of this network namespace, as it was a second ago or later: asking takes some
/// twenty system calls, and each connection from a container asks.
///
/// # Errors
/// Those of getifaddrs(3).
#[cfg(unix)]
pub fn attached() -> io::Result<Arc<[Attached]>> {
    let namespace = NAMESPACE.with(|number| *number);
    // One value, stored whole.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let known = last.as_ref();
    if let Some(known) = known.filter(|k| k.namespace == namespace && k.when.elapsed() < FRESH) {
        return Ok(Arc::clone(&known.all));
    }
    let all: Arc<[Attached]> = ask()?.into();
    *last = Some(Found {
        when: Instant::now(),
        namespace,
        all: Arc::clone(&all),
    });
    Ok(all)
}

/// The same, as it is now.
///
/// # Errors
/// As [`attached`].
pub fn attached_now() -> io::Result<Arc<[Attached]>> {
    #[cfg(unix)]
    {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
    attached()
}

#[cfg(unix)]
fn ask() -> io::Result<Vec<Attached>> {
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `head` is a valid place for the list's head, which is freed below.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = head;
    // SAFETY: each entry is valid until freeifaddrs; the list ends with a null pointer.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: the name is a C string that lives as long as the entry.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.ifa_name) };
        // SAFETY: both point to socket addresses of their family, or are null.
        let pair = unsafe { (address(entry.ifa_addr), address(entry.ifa_netmask)) };
        if let (Some(ip), Some(mask)) = pair
            && let Ok(net) = IpNet::with_netmask(ip, mask)
        {
            found.push(Attached {
                interface: name.to_string_lossy().into_owned(),
                net,
            });
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and is not used any more.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// Windows: not known yet, so nobody is attached.
#[cfg(not(unix))]
pub fn attached() -> io::Result<Arc<[Attached]>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Safety
/// `pointer` is null or points to a socket address as long as its family says.
#[cfg(unix)]
unsafe fn address(pointer: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: by the caller's promise.
    let family = i32::from(unsafe { pointer.as_ref()? }.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: an AF_INET address is a sockaddr_in; unaligned reads cover odd allocators.
            let addr = unsafe { pointer.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::V4(u32::from_be(addr.sin_addr.s_addr).into()))
        }
        libc::AF_INET6 => {
            // SAFETY: an AF_INET6 address is a sockaddr_in6.
            let addr = unsafe { pointer.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::V6(addr.sin6_addr.s6_addr.into()))
        }
        _ => None,
    }
}

/// Whether the interface is a bridge that leads to guests: containers, pods, virtual machines. A
/// bridge that carries the default route is this machine's own way out instead.
pub fn is_guest_bridge(interface: &str) -> bool {
    let bridge = std::path::Path::new("/sys/class/net")
        .join(interface)
        .join("bridge");
    bridge.exists() && !carries_default_route(interface)
}

fn carries_default_route(interface: &str) -> bool {
    // Without the file there is no route to be seen.
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    routes.lines().skip(1).any(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (name, destination) = (columns.next(), columns.next());
        let mask = columns.nth(5);
        name == Some(interface) && destination == Some("00000000") && mask == Some("00000000")
    })
}

#[cfg(all(test, unix))]
mod tests {
    #[test]
    fn one_namespaces_addresses_are_not_taken_for_anothers() {
        let here = super::attached().expect("interfaces");
        let row = testbed::Row::new(&[]).expect("namespaces");
        let there = row.pod.enter(super::attached).expect("entered");
        assert_ne!(there.expect("interfaces"), here);
        assert_eq!(super::attached().expect("interfaces"), here);
    }

    #[test]
    fn a_bridge_that_comes_is_seen_soon() {
        let row = testbed::Row::new(&[]).expect("namespaces");
        let seen = row.pod.enter(|| {
            let has = || {
                let all = super::attached().expect("interfaces");
                all.iter().any(|a| a.interface == "br-new")
            };
            assert!(!has());
            row.pod.ip("link add br-new type bridge").expect("bridge");
            row.pod
                .ip("addr add 172.30.0.1/16 dev br-new")
                .expect("address");
            let found = || has().then_some(());
            testbed::wait_for("the new bridge", std::time::Duration::from_secs(3), found)
        });
        seen.expect("entered").expect("seen");
    }

    #[test]
    fn loopback_is_attached() {
        let all = super::attached().expect("interfaces");
        let loopback = "127.0.0.1".parse::<std::net::IpAddr>().expect("address");
        let found = all
            .iter()
            .find(|a| a.net.addr() == loopback)
            .expect("loopback");
        assert_eq!(found.net.prefix_len(), 8);
    }
}
