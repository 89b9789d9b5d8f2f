//! The listeners that are wanted, open or not.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Core;
use crate::accept::{Listener, chained, explicit, lack, transparent};
use crate::control::{ListenerState, Via};
use crate::intercept::Families;

/// A listener that the configuration or the policy asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Where.
    pub(super) address: SocketAddr,
    /// What comes in there.
    pub(super) via: Via,
    /// Whose connections it takes.
    pub(super) families: Families,
    /// Whether it would lend credentials to every network around, and nobody allowed that.
    pub(super) too_open: bool,
}

/// What is wrong with a listener that is too open.
const TOO_OPEN: &str = "it would stand on every address of this machine with credentials behind it: \
     name the addresses, or say --wildcard";

impl Wanted {
    /// All of them. `[::]` takes IPv4 too, but where `0.0.0.0` of the same port is wanted beside it.
    /// One that is not transparent, on every address, stays closed under a policy `with_credentials`.
    pub(super) fn all(wanted: &[(SocketAddr, Via)], with_credentials: bool) -> Vec<Self> {
        let beside_v4 = |address: SocketAddr| {
            let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            wanted.iter().any(|(other, _)| *other == v4)
        };
        let all = wanted.iter().map(|&(address, via)| Self {
            address,
            via,
            families: if address.ip().is_unspecified() && !beside_v4(address) {
                Families::Both
            } else {
                Families::Own
            },
            too_open: with_credentials
                && matches!(via, Via::Explicit | Via::Chained)
                && address.ip().to_canonical().is_unspecified(),
        });
        all.collect()
    }
}

/// Sockets that somebody else opened, or why he did not, by the address they were asked for and
/// what comes in there: `127.0.0.1:0` may be asked for more than once, and a socket for chained
/// engines must serve nobody who proves nothing.
pub(super) type Passed = HashMap<(SocketAddr, Via), Result<TcpListener, String>>;

/// Sockets of the engine whose place this one takes, by the same.
pub(super) type Inherited = HashMap<(SocketAddr, Via), TcpListener>;

/// Every listener that is wanted.
#[derive(Debug, Default)]
pub(super) struct Listeners(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    wanted: SocketAddr,
    via: Via,
    state: State,
}

#[derive(Debug)]
enum State {
    Open {
        listener: Arc<Listener>,
        task: AbortHandle,
    },
    Failed(String),
}

impl Listeners {
    /// Closes what is no longer wanted (connections live on), opens what is not open yet, from
    /// those that were `passed` where there is one. Whether anything changed.
    pub(super) fn want(
        &mut self,
        wanted: &[Wanted],
        mut passed: Passed,
        serve: impl Fn(Arc<Listener>, Via) -> AbortHandle,
    ) -> bool {
        let before = self.states();
        self.0.retain(|entry| {
            let keep = wanted.iter().any(|wanted| entry.is(wanted));
            if !keep {
                entry.close();
            }
            keep
        });
        for wanted in wanted {
            let mut open = || open(wanted, passed.remove(&(wanted.address, wanted.via)), &serve);
            match self.0.iter_mut().find(|entry| entry.is(wanted)) {
                Some(Entry {
                    state: State::Open { .. },
                    ..
                }) if !wanted.too_open => {}
                Some(entry) => {
                    entry.close();
                    entry.state = open();
                }
                None => self.0.push(Entry {
                    wanted: wanted.address,
                    via: wanted.via,
                    state: open(),
                }),
            }
        }
        let after = self.states();
        for state in &after {
            if let Some(error) = &state.error
                && !before.contains(state)
            {
                tracing::error!(address = %state.address, %error, "cannot listen");
            }
        }
        before != after
    }

    /// Whether this one is open.
    pub(super) fn is_open(&self, wanted: &Wanted) -> bool {
        let open = |entry: &Entry| entry.is(wanted) && matches!(entry.state, State::Open { .. });
        self.0.iter().any(open)
    }

    /// Every listener, for the status.
    pub(super) fn states(&self) -> Vec<ListenerState> {
        let states = self.0.iter().map(|entry| match &entry.state {
            State::Open { listener, .. } => ListenerState {
                address: listener.address(),
                via: entry.via,
                error: lack(),
            },
            State::Failed(error) => ListenerState {
                address: entry.wanted,
                via: entry.via,
                error: Some(error.clone()),
            },
        });
        states.collect()
    }

    /// A second descriptor of every open socket, with the address it was asked for.
    #[cfg(unix)]
    pub(super) fn seconds(&self) -> std::io::Result<Vec<(SocketAddr, Via, TcpListener)>> {
        let open = self.0.iter().filter_map(|entry| match &entry.state {
            State::Open { listener, .. } => Some((entry, listener)),
            State::Failed(_) => None,
        });
        open.map(|(entry, listener)| Ok((entry.wanted, entry.via, listener.second()?)))
            .collect()
    }

    pub(super) fn some_failed(&self) -> bool {
        self.0
            .iter()
            .any(|entry| matches!(entry.state, State::Failed(_)))
    }

    /// The port that intercepted traffic is sent to: that of the first open transparent listener.
    pub(super) fn transparent_port(&self) -> Option<u16> {
        self.0.iter().find_map(|entry| match &entry.state {
            State::Open { listener, .. } if entry.via == Via::Transparent => {
                Some(listener.address().port())
            }
            State::Open { .. } | State::Failed(_) => None,
        })
    }

    /// Closes every listener.
    pub(super) fn close(&mut self) {
        for entry in self.0.drain(..) {
            entry.close();
        }
    }
}

impl Entry {
    fn is(&self, wanted: &Wanted) -> bool {
        (self.wanted, self.via) == (wanted.address, wanted.via)
    }

    fn close(&self) {
        if let State::Open { task, .. } = &self.state {
            task.abort();
        }
    }
}

fn open(
    wanted: &Wanted,
    passed: Option<Result<TcpListener, String>>,
    serve: impl Fn(Arc<Listener>, Via) -> AbortHandle,
) -> State {
    if wanted.too_open {
        return State::Failed(format!("{} is refused: {TOO_OPEN}", wanted.address));
    }
    let opened = match passed {
        Some(Ok(socket)) => Listener::passed(socket, wanted.address),
        Some(Err(error)) => return State::Failed(error),
        None => Listener::open(wanted.address, wanted.families),
    };
    match opened {
        Ok(listener) => {
            let listener = Arc::new(listener);
            State::Open {
                task: serve(Arc::clone(&listener), wanted.via),
                listener,
            }
        }
        Err(error) => State::Failed(error.to_string()),
    }
}

/// Accepts until it is aborted; connections are tasks of their own and live on.
pub(super) fn serve(
    listener: Arc<Listener>,
    via: Via,
    core: Arc<Core>,
    connections: TaskTracker,
    cut: CancellationToken,
) -> AbortHandle {
    tracing::info!(address = %listener.address(), ?via, "listening");
    let accept = async move {
        loop {
            let (stream, client, local) = listener.accept().await;
            let core = Arc::clone(&core);
            let cut = cut.clone();
            match via {
                Via::Explicit => {
                    let served = explicit(core, stream, client, local);
                    connections.spawn(cut.run_until_cancelled_owned(served))
                }
                Via::Transparent => {
                    let served = transparent(core, stream, client, local);
                    connections.spawn(cut.run_until_cancelled_owned(served))
                }
                Via::Chained => {
                    let served = chained(core, stream, client, local);
                    connections.spawn(cut.run_until_cancelled_owned(served))
                }
            };
        }
    };
    tokio::spawn(accept).abort_handle()
}
