//! Who holds the table: its socket, what was asked for, and the addresses that it follows.

mod flows;
mod handshakes;
mod probe;
mod thread;

pub(super) use thread::HolderThread;

use handshakes::Handshakes;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::addresses::{AddressWatch, Addresses};
use super::forwarded::Forwarded;
use super::nftables::{self, Capture, Kernel, NftSocket, Road, Targets};
use super::{InterceptError, capabilities, routes};
use crate::config::Interception;
use crate::control::InterceptionState;

/// How often a table that captures nothing more looks whether its last connection is gone.
const LINGER: Duration = Duration::from_secs(2);

/// How often it is looked whether captured connections reach the listener.
const LOOK: Duration = Duration::from_secs(2);

/// How soon a change of addresses that could not be followed is followed again.
const AGAIN: Duration = Duration::from_secs(1);

/// Holds the table. When it is dropped, however that happens, the kernel removes the table.
///
/// Not thread-safe and never blocking: its owner waits for what [`Holder::awaited`] tells, calls
/// what belongs to it then, and [`Holder::tick`] after [`Holder::next_tick`].
#[derive(Debug)]
pub(super) struct Holder {
    socket: NftSocket,
    watch: AddressWatch,
    table: String,
    stage: Stage,
    kernel: Kernel,
    /// Open from the first time that it is needed, in a kernel that does not copy packets.
    forwarded: Option<Forwarded>,
    handshakes: Handshakes,
    /// The family that is captured and has no way out.
    without_way: Option<&'static str>,
    looked: Instant,
    /// Addresses changed, and the table does not know yet.
    behind: bool,
}

#[derive(Debug)]
enum Stage {
    /// There is no table.
    Empty,
    /// The table captures.
    Capturing(InForce),
    /// The table captures nothing more and serves what was captured.
    Inert { listener: u16 },
}

/// What the table was filled from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InForce {
    interception: Interception,
    listener: u16,
    local: BTreeSet<IpAddr>,
    neighbours: Vec<IpNet>,
    targets: Targets,
    problem: Option<crate::control::Problem>,
}

impl Holder {
    /// Opens the sockets and asks the kernel whether it would take the table.
    ///
    /// # Errors
    /// [`InterceptError::NotPermitted`], [`InterceptError::MissingFeature`], …
    pub(super) fn open() -> Result<Self, InterceptError> {
        let socket = NftSocket::open()?;
        let mut holder = Self {
            table: socket.table_name(),
            watch: AddressWatch::open()?,
            socket,
            stage: Stage::Empty,
            kernel: Kernel::default(),
            forwarded: None,
            handshakes: Handshakes::default(),
            without_way: None,
            looked: Instant::now(),
            behind: false,
        };
        holder.probe()?;
        Ok(holder)
    }

    /// Captures what `interception` names for the listener on port `listener`, in place of what
    /// was captured before. No connection that lives is touched.
    ///
    /// # Errors
    /// What the kernel refused: then everything is as before. [`InterceptError::NoAddress`]: it is
    /// in force, and captures as soon as there is an address to send to.
    pub(super) fn apply(
        &mut self,
        interception: &Interception,
        listener: u16,
    ) -> Result<(), InterceptError> {
        if interception.interfaces.is_empty() {
            return self.withdraw();
        }
        let current = match &self.stage {
            Stage::Capturing(now) => now.targets,
            Stage::Empty | Stage::Inert { .. } => Targets::default(),
        };
        let addresses = Addresses::read()?;
        let wanted = InForce {
            interception: interception.clone(),
            listener,
            local: addresses.local(),
            neighbours: addresses.neighbours(&interception.interfaces),
            targets: addresses.targets(&interception.interfaces, current),
            problem: None,
        };
        self.fill(wanted)?;
        self.look_for_a_way();
        match &self.stage {
            Stage::Capturing(now) if now.targets == Targets::default() => {
                Err(InterceptError::NoAddress)
            }
            _ => Ok(()),
        }
    }

    fn fill(&mut self, wanted: InForce) -> Result<(), InterceptError> {
        if matches!(&self.stage, Stage::Capturing(now) if *now == wanted) {
            return Ok(());
        }
        let road = match (wanted.interception.ignore_forward, self.kernel.copies) {
            (true, _) => Road::Early,
            (false, true) => Road::Copied,
            (false, false) => Road::Logged(self.forwarded()?.group()),
        };
        let capture = Capture {
            interfaces: &wanted.interception.interfaces,
            exclude: &wanted.interception.exclude,
            ports: &wanted.interception.ports,
            road,
            kernel: self.kernel,
            listener: wanted.listener,
            local: &wanted.local,
            neighbours: &wanted.neighbours,
            targets: wanted.targets,
        };
        let batch = match self.stage {
            Stage::Empty => nftables::install(&self.table, &capture),
            Stage::Capturing(_) | Stage::Inert { .. } => nftables::replace(&self.table, &capture),
        };
        commit(&mut self.socket, batch)?;
        self.stage = Stage::Capturing(wanted);
        Ok(())
    }

    fn forwarded(&mut self) -> Result<&Forwarded, InterceptError> {
        let opened = match self.forwarded.take() {
            Some(open) => open,
            None => Forwarded::open().map_err(of_this_process)?,
        };
        Ok(self.forwarded.insert(opened))
    }

    /// Captures nothing more. Connections that were captured live on.
    pub(super) fn withdraw(&mut self) -> Result<(), InterceptError> {
        if let Stage::Capturing(now) = &self.stage {
            let listener = now.listener;
            commit(
                &mut self.socket,
                nftables::inert(&self.table, listener, self.kernel),
            )?;
            self.stage = Stage::Inert { listener };
            self.tick();
        }
        Ok(())
    }

    /// Removes the table at once, and with it what keeps captured connections alive.
    pub(super) fn remove(&mut self) -> Result<(), InterceptError> {
        if !matches!(self.stage, Stage::Empty) {
            commit(&mut self.socket, nftables::remove(&self.table, self.kernel))?;
            self.stage = Stage::Empty;
        }
        Ok(())
    }

    /// Notes whether what is captured leads anywhere, which the FORWARD rules take for granted.
    fn look_for_a_way(&mut self) {
        self.without_way = match &self.stage {
            Stage::Capturing(now) if !now.interception.ignore_forward => {
                routes::without_way(now.targets, &now.neighbours).unwrap_or_else(|error| {
                    tracing::debug!(%error, "whether there is a way out is not known");
                    None
                })
            }
            Stage::Capturing(_) | Stage::Inert { .. } | Stage::Empty => None,
        };
    }

    /// What is in force.
    pub(super) fn state(&self) -> InterceptionState {
        let Stage::Capturing(now) = &self.stage else {
            return InterceptionState::Off;
        };
        let interception = now.interception.clone();
        let nowhere =
            (now.targets == Targets::default()).then(|| InterceptError::NoAddress.problem());
        let listener = now.listener;
        let dropped = self
            .handshakes
            .are_dropped()
            .then(|| InterceptError::Dropped { listener }.problem());
        let no_way = self
            .without_way
            .map(|family| InterceptError::NoDefaultRoute { family }.problem());
        match now.problem.clone().or(nowhere).or(no_way).or(dropped) {
            Some(problem) => InterceptionState::Failed {
                interception,
                problem,
            },
            None => InterceptionState::On { interception },
        }
    }

    /// Readable when there is something to do: with [`Holder::addresses_changed`] the first, with
    /// [`Holder::opening_segments`] the second.
    pub(super) fn awaited(&self) -> (BorrowedFd<'_>, Option<BorrowedFd<'_>>) {
        (self.watch.as_fd(), self.forwarded.as_ref().map(AsFd::as_fd))
    }

    /// Sends on the opening segments that the table took out.
    pub(super) fn opening_segments(&mut self) {
        let targets = match &self.stage {
            Stage::Capturing(now) => now.targets,
            // Withdrawn meanwhile: the clients' next ones go their own way.
            Stage::Empty | Stage::Inert { .. } => Targets::default(),
        };
        if let Some(forwarded) = &mut self.forwarded {
            forwarded.send_again(targets);
        }
    }

    /// Follows the addresses of this namespace. What cannot be followed shows in
    /// [`Holder::state`].
    pub(super) fn addresses_changed(&mut self) {
        let followed = self.follow_addresses();
        if let Stage::Capturing(now) = &mut self.stage {
            now.problem = followed.err().map(|error| {
                tracing::warn!(%error, "cannot follow a change of addresses");
                error.problem()
            });
        }
    }

    fn follow_addresses(&mut self) -> Result<(), InterceptError> {
        self.behind |= self.watch.changed()?;
        let Stage::Capturing(now) = &self.stage else {
            // The next capture begins with the addresses of its own time.
            self.behind = false;
            return Ok(());
        };
        if !self.behind {
            return Ok(());
        }
        let addresses = Addresses::read()?;
        let wanted = InForce {
            local: addresses.local(),
            neighbours: addresses.neighbours(&now.interception.interfaces),
            targets: addresses.targets(&now.interception.interfaces, now.targets),
            problem: None,
            ..now.clone()
        };
        self.fill(wanted)?;
        self.behind = false;
        Ok(())
    }

    /// When [`Holder::tick`] wants to be called; `None`: never.
    pub(super) fn next_tick(&self) -> Option<Duration> {
        match self.stage {
            Stage::Inert { .. } => Some(LINGER),
            // What was missing (descriptors, memory) may be there again.
            Stage::Capturing(_) if self.behind => Some(AGAIN),
            Stage::Capturing(_) => Some(LOOK),
            Stage::Empty => None,
        }
    }

    /// Follows what could not be followed before, and removes a table that captures nothing more
    /// once its last connection is gone.
    pub(super) fn tick(&mut self) {
        if self.behind {
            self.addresses_changed();
        }
        if matches!(self.stage, Stage::Capturing(_)) && self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look_for_a_way();
            match nftables::counted(&self.table) {
                Ok(counted) => self.handshakes.note(counted),
                Err(error) => tracing::debug!(%error, "the table's counters cannot be read"),
            }
        }
        if let Stage::Inert { listener } = self.stage
            && !flows::any(listener)
            && let Err(error) = self.remove()
        {
            tracing::warn!(%error, "cannot remove a table that serves nothing any more");
        }
    }
}

fn commit(
    socket: &mut NftSocket,
    batch: Vec<super::netlink::Message>,
) -> Result<(), InterceptError> {
    socket.commit(batch).map_err(of_this_process)
}

fn of_this_process(error: InterceptError) -> InterceptError {
    match error {
        InterceptError::NotPermitted | InterceptError::NoRawSocket(_)
            if capabilities::were_dropped() =>
        {
            InterceptError::CapabilitiesDropped
        }
        error => error,
    }
}

#[cfg(test)]
mod tests;
