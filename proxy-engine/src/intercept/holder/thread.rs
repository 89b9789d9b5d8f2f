//! A holder in a thread of this process: where there is no broker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::oneshot;

use super::Holder;
use crate::config::{Interception, Netns};
use crate::control::InterceptionState;
use crate::intercept::netns::OpenNetns;
use crate::intercept::{Families, InterceptError, listener};

type Opened = Result<TcpListener, InterceptError>;
type Answer = oneshot::Sender<Result<(), InterceptError>>;
/// What the thread said last of its holder: nobody waits for one that is busy.
#[derive(Debug, Clone)]
struct Shown(Arc<Mutex<InterceptionState>>);

enum Order {
    Apply(Interception, u16, Answer),
    Listen(SocketAddr, Families, oneshot::Sender<Opened>),
}

/// The thread. When this value is dropped, the thread ends and its table goes.
#[derive(Debug)]
pub(in crate::intercept) struct HolderThread {
    /// `None` only while it is dropped.
    orders: Mutex<Option<Sender<Order>>>,
    wake: OwnedFd,
    shown: Shown,
    thread: Option<JoinHandle<()>>,
}

impl HolderThread {
    /// Opens a [`Holder`] in a thread of its own, in `netns` or the caller's network namespace.
    ///
    /// # Errors
    /// As [`Holder::open`]; [`InterceptError::Netns`].
    pub(in crate::intercept) fn start(netns: Option<&Netns>) -> Result<Self, InterceptError> {
        let failed = |what| move |source: io::Error| InterceptError::Netlink { what, source };
        let uid = rustix::process::geteuid().as_raw();
        let netns = netns.map(|netns| OpenNetns::open(netns, uid)).transpose()?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(io::Error::from)
            .map_err(failed("making an eventfd"))?;
        let woken = wake.try_clone().map_err(failed("duplicating an eventfd"))?;
        let (orders, queue) = mpsc::channel();
        let (began, begins) = mpsc::channel();
        let shown = Shown::default();
        let seen_from_here = shown.clone();
        let thread = std::thread::Builder::new()
            .name("intercept".to_owned())
            .spawn(move || {
                // A thread of its own moves alone: the engine's sockets stay where they are.
                let entered = netns.map_or(Ok(()), |netns| netns.enter());
                match entered.and_then(|()| Holder::open()) {
                    Ok(holder) => {
                        // However it ends: nothing is in force then.
                        let ended = Ends(&seen_from_here);
                        // Who started it waits for this.
                        let _ = began.send(Ok(()));
                        hold(holder, &queue, &woken, &seen_from_here);
                        drop(ended);
                    }
                    Err(error) => {
                        let _ = began.send(Err(error));
                    }
                }
            })
            .map_err(failed("starting a thread"))?;
        let started = Self {
            orders: Mutex::new(Some(orders)),
            wake,
            shown,
            thread: Some(thread),
        };
        begins.recv().unwrap_or(Err(InterceptError::BrokerGone))?;
        Ok(started)
    }

    /// As [`Holder::apply`].
    pub(in crate::intercept) async fn apply(
        &self,
        interception: &Interception,
        listener: u16,
    ) -> Result<(), InterceptError> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Apply(interception.clone(), listener, answer));
        answered.await.unwrap_or(Err(InterceptError::BrokerGone))
    }

    /// A listening socket in the thread's network namespace.
    pub(in crate::intercept) async fn open_listener(
        &self,
        address: SocketAddr,
        families: Families,
    ) -> Opened {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Listen(address, families, answer));
        answered.await.unwrap_or(Err(InterceptError::BrokerGone))
    }

    /// As [`Holder::state`] when the thread last did something.
    pub(in crate::intercept) fn state(&self) -> InterceptionState {
        self.shown.lock().clone()
    }

    fn order(&self, order: Order) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(orders) = orders.as_ref() {
            // The thread lives as long as `orders` does; had it panicked, the answer never comes
            // and the caller is told so.
            let _ = orders.send(order);
        }
        // The counter can only overflow after 2^64 orders.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for HolderThread {
    fn drop(&mut self) {
        let orders = self
            .orders
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        drop(orders.take());
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has closed its sockets just the same.
            let _ = thread.join();
        }
    }
}

fn hold(mut holder: Holder, queue: &Receiver<Order>, wake: &OwnedFd, shown: &Shown) {
    loop {
        let timeout = holder.next_tick().and_then(|t| Timespec::try_from(t).ok());
        let (addresses, segments) = holder.awaited();
        let mut fds = vec![
            PollFd::new(wake, PollFlags::IN),
            PollFd::from_borrowed_fd(addresses, PollFlags::IN),
        ];
        fds.extend(segments.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                tracing::error!(%errno, "the interception thread cannot wait and ends");
                return;
            }
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (changed, segments) = (ready(1), ready(2));
        // Empty when it was not the counter that woke us.
        let _ = rustix::io::read(wake, &mut [0_u8; 8]);
        if segments {
            holder.opening_segments();
        }
        if changed {
            holder.addresses_changed();
        }
        holder.tick();
        shown.show(holder.state());
        loop {
            match queue.try_recv() {
                Ok(Order::Apply(interception, listener, answer)) => {
                    let applied = holder.apply(&interception, listener);
                    // Whoever hears the answer may look at once.
                    shown.show(holder.state());
                    // Who asked may have given up waiting.
                    let _ = answer.send(applied);
                }
                Ok(Order::Listen(address, families, answer)) => {
                    let opened = listener::open(address, families)
                        .map_err(|source| InterceptError::Listen { address, source });
                    let _ = answer.send(opened);
                }
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(InterceptionState::Off)))
    }
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, InterceptionState> {
        // One value, replaced whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: InterceptionState) {
        *self.lock() = state;
    }
}

/// Shows the end of the thread.
struct Ends<'a>(&'a Shown);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.show(InterceptionState::Off);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use rustix::event::{EventfdFlags, eventfd};

    use super::{HolderThread, Shown};
    use crate::control::InterceptionState;

    #[test]
    fn whoever_asks_for_the_state_does_not_wait_for_a_busy_thread() {
        let (orders, queue) = mpsc::channel();
        let holder = HolderThread {
            orders: Mutex::new(Some(orders)),
            wake: eventfd(0, EventfdFlags::CLOEXEC).expect("eventfd"),
            shown: Shown::default(),
            thread: None,
        };
        let (told, tells) = mpsc::channel();
        std::thread::spawn(move || drop(told.send(holder.state())));
        let state = tells.recv_timeout(Duration::from_secs(5));
        assert_eq!(state.expect("told at once"), InterceptionState::Off);
        // It takes no order until now.
        drop(queue);
    }
}
