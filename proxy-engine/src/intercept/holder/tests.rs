use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use testbed::Row;

use super::{Holder, Kernel};
use crate::config::Interception;
use crate::intercept::original_dst;

const ORIGIN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
const SOON: Duration = Duration::from_secs(5);

fn pods(ignore_forward: bool) -> Interception {
    Interception {
        interfaces: vec!["br-pods".parse().expect("an interface")],
        exclude: Vec::new(),
        ports: "443".parse().expect("ports"),
        ignore_forward,
    }
}

/// Holds the table in the node as a kernel without some features would have it, while `client`
/// runs in the pod; what original destination its connection had.
fn captured_by(kernel: Kernel, ignore_forward: bool) -> SocketAddr {
    let row = Row::new(&[ORIGIN]).expect("namespaces");
    let listener = row.node.enter(|| TcpListener::bind("0.0.0.0:0"));
    let listener = listener.expect("entered").expect("listens");
    let port = listener.local_addr().expect("bound").port();
    // Whoever never comes is not waited for without end.
    let patience = SockRef::from(&listener).set_read_timeout(Some(SOON * 2));
    patience.expect("a time limit");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| {
            let held = row.node.enter(|| {
                let mut holder = Holder::open().expect("a holder");
                holder.kernel = kernel;
                holder.apply(&pods(ignore_forward), port).expect("rules");
                while !done.load(Relaxed) {
                    let (_, segments) = holder.awaited();
                    let mut fds: Vec<_> = segments
                        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
                        .into_iter()
                        .collect();
                    let short = Timespec::try_from(Duration::from_millis(20)).expect("short");
                    poll(&mut fds, Some(&short)).expect("waits");
                    holder.opening_segments();
                }
                holder.remove().expect("removed");
            });
            held.expect("entered");
        });
        let served = scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("captured");
            let original = original_dst(&stream).expect("an original destination");
            stream.write_all(b"x").expect("answered");
            original
        });
        let asked = row.pod.enter(|| {
            let begun = std::time::Instant::now();
            loop {
                // Before the rules stand, nobody listens at the origin.
                let to = SocketAddr::from((ORIGIN, 443));
                let answer = TcpStream::connect_timeout(&to, SOON).and_then(|mut stream| {
                    stream.set_read_timeout(Some(SOON))?;
                    stream.read_exact(&mut [0])
                });
                if answer.is_ok() || begun.elapsed() > SOON {
                    return answer;
                }
            }
        });
        done.store(true, Relaxed);
        asked.expect("entered").expect("captured and answered");
        held.join().expect("held");
        served.join().expect("served")
    })
}

#[test]
fn a_kernel_that_cannot_do_everything_captures_all_the_same() {
    let without = [
        Kernel::ALL,
        Kernel {
            copies: false,
            ..Kernel::ALL
        },
        Kernel {
            timeouts: false,
            ..Kernel::ALL
        },
        Kernel {
            makes_room: false,
            ..Kernel::ALL
        },
        Kernel::default(),
    ];
    for kernel in without {
        for ignore_forward in [false, true] {
            let original = captured_by(kernel, ignore_forward);
            assert_eq!(original, (ORIGIN, 443).into(), "{kernel:?}");
        }
    }
}

#[test]
fn this_kernel_can_do_everything() {
    let row = Row::new(&[]).expect("namespaces");
    let kernel = row.node.enter(|| Holder::open().expect("a holder").kernel);
    assert_eq!(kernel.expect("entered"), Kernel::ALL);
}
