//! The broker's loop: one thread that waits for everything at once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, accept_with, shutdown, sockopt};

use super::activation::{self, BrokerSocket};
use super::packet::{self, Packet};
use super::protocol::{Answer, Request, Wish};
use super::{BrokerError, BrokerOptions, OnLoss, engine_user, signals};
use crate::config::Netns;
use crate::control::{InterceptionState, Problem};
use crate::intercept::holder::Holder;
use crate::intercept::netns::OpenNetns;
use crate::intercept::{InterceptError, listener};
use crate::systemd;

/// How long the rules outlive an engine that went away: long enough for a restart, short enough
/// that nobody reaches for the power button.
const GRACE: Duration = Duration::from_secs(2);

/// Out of descriptors or memory, who connects waits this long: asking again at once would only
/// burn the processor.
const PAUSE: Duration = Duration::from_millis(100);

/// See [`super::serve`].
pub(super) fn serve(options: &BrokerOptions) -> Result<(), BrokerError> {
    let system = |what| move |source| BrokerError::System { what, source };
    let (uid, group) = engine_user::resolve(&options.engine)?;
    let end = signals::end_signals().map_err(system("catching signals"))?;
    let mut broker = Broker {
        holder: Holder::open()?,
        home: OpenNetns::own()?,
        place: None,
        socket: activation::open(&options.socket, group)?,
        uid,
        on_loss: options.on_loss,
        engine: None,
        orphaned: None,
        resting: None,
        told: InterceptionState::Off,
    };
    systemd::notify("READY=1");
    tracing::info!(socket = %options.socket.display(), uid, "the broker serves");
    while !broker.turn(&end).map_err(system("waiting"))? {}
    systemd::notify("STOPPING=1");
    broker.holder.remove()?;
    Ok(())
}

struct Broker {
    holder: Holder,
    /// The network namespace that the broker was started in.
    home: OpenNetns,
    /// The one that it is in, if not that.
    place: Option<Netns>,
    socket: BrokerSocket,
    uid: u32,
    on_loss: OnLoss,
    engine: Option<OwnedFd>,
    /// Since when rules are in force that no living engine asked for.
    orphaned: Option<Instant>,
    /// Until when nobody is let in, because no descriptor is free.
    resting: Option<Instant>,
    /// The state that the engine knows of.
    told: InterceptionState,
}

impl Broker {
    /// Waits for one event and deals with it. True: it is time to end.
    fn turn(&mut self, end: &OwnedFd) -> io::Result<bool> {
        let (ended, connecting, changed, segments, spoken) = {
            let (addresses, segments) = self.holder.awaited();
            self.resting = self.resting.filter(|until| *until > Instant::now());
            let admits = match self.resting {
                None => PollFlags::IN,
                Some(_) => PollFlags::empty(),
            };
            let mut fds = vec![
                PollFd::new(end, PollFlags::IN),
                PollFd::new(&self.socket.fd, admits),
                PollFd::from_borrowed_fd(addresses, PollFlags::IN),
            ];
            let segments = segments.map(|fd| {
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
                fds.len() - 1
            });
            let engine = self.engine.as_ref().map(|fd| {
                fds.push(PollFd::new(fd, PollFlags::IN));
                fds.len() - 1
            });
            let timeout = self.timeout().and_then(|t| Timespec::try_from(t).ok());
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
            (
                ready(0),
                ready(1),
                ready(2),
                segments.is_some_and(ready),
                engine.is_some_and(ready),
            )
        };
        if ended {
            return Ok(true);
        }
        if segments {
            self.holder.opening_segments();
        }
        if changed {
            self.holder.addresses_changed();
        }
        // The old engine's end comes before the new one's beginning.
        if spoken {
            self.hear();
        }
        // While the old engine may have more to say, or its end, the new one waits in the queue.
        if connecting && !(spoken && self.engine.is_some()) {
            self.admit();
        }
        self.release_if_orphaned();
        self.holder.tick();
        self.tell_changes();
        Ok(false)
    }

    fn timeout(&self) -> Option<Duration> {
        let release = self
            .orphaned
            .map(|since| GRACE.saturating_sub(since.elapsed()));
        let admit = self
            .resting
            .map(|until| until.saturating_duration_since(Instant::now()));
        [release, admit, self.holder.next_tick()]
            .into_iter()
            .flatten()
            .min()
    }

    fn release_if_orphaned(&mut self) {
        if self.orphaned.is_some_and(|since| since.elapsed() >= GRACE) {
            self.orphaned = None;
            tracing::warn!("the engine is gone: interception is withdrawn");
            if let Err(error) = self.holder.withdraw() {
                // The last means: the table goes with the process, and systemd starts a new one.
                tracing::error!(%error, "cannot withdraw");
                std::process::exit(1);
            }
        }
    }

    /// A new connection: who is it, and is there one already?
    fn admit(&mut self) {
        let peer = match accept_with(&self.socket.fd, SocketFlags::CLOEXEC) {
            Ok(peer) => peer,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                tracing::warn!("no descriptor is free: whoever connects must wait");
                self.resting = Some(Instant::now() + PAUSE);
                return;
            }
            Err(_) => return, // it went away again
        };
        let Ok(credentials) = sockopt::socket_peercred(&peer) else {
            return;
        };
        let uid = credentials.uid.as_raw();
        if uid != self.uid && uid != 0 {
            tracing::warn!(uid, "refused: not the engine's user");
            self.hang_up(
                &peer,
                "not_the_engine",
                "only the engine's user may speak to the broker",
            );
        } else if self.engine.is_some() {
            self.hang_up(
                &peer,
                "engine_running",
                "another engine is connected to the broker: stop it first",
            );
        } else {
            self.engine = Some(peer);
            self.told = self.holder.state();
            // It has as long to take the rules over as it had to come.
            self.orphaned = self.orphaned.map(|_| Instant::now());
        }
    }

    /// A message of the engine, or its end.
    fn hear(&mut self) {
        let Some(engine) = self.engine.take() else {
            return;
        };
        let bytes = match packet::receive(&engine) {
            Ok(Packet::Whole(bytes, _)) => bytes,
            Ok(Packet::TooLong) => {
                self.hang_up(&engine, "invalid_request", "the message is too long");
                return self.lost();
            }
            Ok(Packet::End) => return self.lost(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.engine = Some(engine);
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "the engine's socket failed");
                return self.lost();
            }
        };
        let request = match serde_json::from_slice::<Request>(&bytes) {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, "the engine spoke of something unknown");
                self.hang_up(&engine, "invalid_request", &error.to_string());
                return self.lost();
            }
        };
        let (refused, descriptor) = match self.grant(&request.wish) {
            Ok(descriptor) => (None, descriptor),
            Err(error) => (Some(error.problem()), None),
        };
        let told = self.answer(&engine, request.id, refused, descriptor.as_ref());
        self.engine = Some(engine);
        if let Err(error) = told {
            tracing::warn!(%error, "cannot answer the engine");
            self.engine = None;
            self.lost();
        }
    }

    fn grant(&mut self, wish: &Wish) -> Result<Option<OwnedFd>, InterceptError> {
        wish.check().map_err(InterceptError::Invalid)?;
        match wish {
            Wish::State {} => {}
            Wish::Enter { netns } => self.enter(netns.as_ref())?,
            Wish::Probe {} => self.holder.probe()?,
            Wish::OpenListener { address, families } => {
                let opened = listener::open(*address, *families).map_err(|source| {
                    InterceptError::Listen {
                        address: *address,
                        source,
                    }
                })?;
                return Ok(Some(opened.into()));
            }
            Wish::Intercept {
                interception,
                listener,
            } => {
                let applied = self.holder.apply(interception, *listener);
                if matches!(applied, Ok(()) | Err(InterceptError::NoAddress)) {
                    self.orphaned = None;
                }
                applied?;
            }
            Wish::Withdraw {} => {
                self.holder.withdraw()?;
                self.orphaned = None;
            }
        }
        Ok(None)
    }

    /// Moves to another network namespace, with nothing in force there yet. Everything that the
    /// broker opens afterwards is there; the socket to its engines has no place in any.
    fn enter(&mut self, netns: Option<&Netns>) -> Result<(), InterceptError> {
        if self.place.as_ref() == netns {
            return Ok(());
        }
        let former = OpenNetns::own()?;
        let opened = netns
            .map(|netns| OpenNetns::open(netns, self.uid))
            .transpose()?;
        opened.as_ref().unwrap_or(&self.home).enter()?;
        match Holder::open() {
            Ok(holder) => {
                // The former one's rules go with it.
                self.holder = holder;
                self.place = netns.cloned();
                self.orphaned = None;
                Ok(())
            }
            Err(error) => {
                former.enter()?;
                Err(error)
            }
        }
    }

    /// The engine is gone.
    fn lost(&mut self) {
        let capturing = self.holder.state() != InterceptionState::Off;
        if capturing && self.on_loss == OnLoss::Release {
            self.orphaned = Some(Instant::now());
        }
    }

    /// Tells the engine what changed by itself.
    fn tell_changes(&mut self) {
        let state = self.holder.state();
        if let Some(engine) = self.engine.take() {
            // One that does not read is told with its next answer.
            if state != self.told && self.answer(&engine, 0, None, None).is_err() {
                tracing::debug!("the engine does not read");
            }
            self.engine = Some(engine);
        }
    }

    fn answer(
        &mut self,
        to: &OwnedFd,
        id: u64,
        refused: Option<Problem>,
        descriptor: Option<&OwnedFd>,
    ) -> io::Result<()> {
        let state = self.holder.state();
        let answer = Answer {
            id,
            refused,
            state: state.clone(),
        };
        let bytes = serde_json::to_vec(&answer)?;
        packet::send(to, &bytes, descriptor.map(AsFd::as_fd))?;
        self.told = state;
        Ok(())
    }

    /// Says why, and ends the connection so that this can still be read: closing a socket with
    /// unread messages would give the other side a reset instead.
    fn hang_up(&mut self, peer: &OwnedFd, code: &str, message: &str) {
        let problem = Problem {
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let told = self.told.clone();
        // It is hung up on in any case.
        let _ = self.answer(peer, 0, Some(problem), None);
        self.told = told;
        let _ = shutdown(peer, Shutdown::Both);
        while matches!(
            packet::receive(peer),
            Ok(Packet::Whole(..) | Packet::TooLong)
        ) {}
    }
}
