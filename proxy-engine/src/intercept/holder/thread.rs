//! A holder in a thread of this process: where there is no broker.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::oneshot;

use super::Holder;
use crate::config::Interception;
use crate::control::InterceptionState;
use crate::intercept::InterceptError;

type Answer = oneshot::Sender<Result<(), InterceptError>>;

enum Order {
    Apply(Interception, u16, Answer),
    State(Sender<InterceptionState>),
}

/// The thread. When this value is dropped, the thread ends and its table goes.
#[derive(Debug)]
pub(in crate::intercept) struct HolderThread {
    /// `None` only while it is dropped.
    orders: Mutex<Option<Sender<Order>>>,
    wake: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl HolderThread {
    /// Opens a [`Holder`] and gives it a thread in the network namespace of the caller.
    ///
    /// # Errors
    /// As [`Holder::open`].
    pub(in crate::intercept) fn start() -> Result<Self, InterceptError> {
        let failed = |what| move |source: io::Error| InterceptError::Netlink { what, source };
        let holder = Holder::open()?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(io::Error::from)
            .map_err(failed("making an eventfd"))?;
        let woken = wake.try_clone().map_err(failed("duplicating an eventfd"))?;
        let (orders, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("intercept".to_owned())
            .spawn(move || hold(holder, &queue, &woken))
            .map_err(failed("starting a thread"))?;
        Ok(Self {
            orders: Mutex::new(Some(orders)),
            wake,
            thread: Some(thread),
        })
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

    /// As [`Holder::state`].
    pub(in crate::intercept) fn state(&self) -> InterceptionState {
        let (answer, answered) = mpsc::channel();
        self.order(Order::State(answer));
        answered.recv().unwrap_or(InterceptionState::Off)
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

fn hold(mut holder: Holder, queue: &Receiver<Order>, wake: &OwnedFd) {
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
        loop {
            match queue.try_recv() {
                Ok(Order::Apply(interception, listener, answer)) => {
                    // Who asked may have given up waiting.
                    let _ = answer.send(holder.apply(&interception, listener));
                }
                Ok(Order::State(answer)) => {
                    let _ = answer.send(holder.state());
                }
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
    }
}
