//! The listeners that are wanted, open or not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Core;
use crate::accept::{Listener, explicit, transparent};
use crate::control::{ListenerState, Via};

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
        address: SocketAddr,
        task: AbortHandle,
    },
    Failed(String),
}

impl Listeners {
    /// Closes what is no longer wanted (connections live on), opens what is not open yet. Whether
    /// anything changed.
    pub(super) fn want(
        &mut self,
        wanted: &[(SocketAddr, Via)],
        serve: impl Fn(Listener, Via) -> AbortHandle,
    ) -> bool {
        let before = self.states();
        self.0.retain(|entry| {
            let keep = wanted.contains(&(entry.wanted, entry.via));
            if !keep {
                entry.close();
            }
            keep
        });
        let beside_v4 = |address: SocketAddr| {
            let v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
            wanted.iter().any(|(other, _)| *other == v4)
        };
        for &(address, via) in wanted {
            let open = || open(address, via, beside_v4(address), &serve);
            let known = |entry: &&mut Entry| (entry.wanted, entry.via) == (address, via);
            match self.0.iter_mut().find(known) {
                Some(Entry {
                    state: State::Open { .. },
                    ..
                }) => {}
                Some(entry) => entry.state = open(),
                None => self.0.push(Entry {
                    wanted: address,
                    via,
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

    /// Every listener, for the status.
    pub(super) fn states(&self) -> Vec<ListenerState> {
        let states = self.0.iter().map(|entry| match &entry.state {
            State::Open { address, .. } => ListenerState {
                address: *address,
                via: entry.via,
                error: None,
            },
            State::Failed(error) => ListenerState {
                address: entry.wanted,
                via: entry.via,
                error: Some(error.clone()),
            },
        });
        states.collect()
    }

    pub(super) fn some_failed(&self) -> bool {
        self.0
            .iter()
            .any(|entry| matches!(entry.state, State::Failed(_)))
    }

    /// The port that intercepted traffic is sent to: that of the first open transparent listener.
    pub(super) fn transparent_port(&self) -> Option<u16> {
        self.0.iter().find_map(|entry| match entry.state {
            State::Open { address, .. } if entry.via == Via::Transparent => Some(address.port()),
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
    fn close(&self) {
        if let State::Open { task, .. } = &self.state {
            task.abort();
        }
    }
}

fn open(
    address: SocketAddr,
    via: Via,
    beside_v4: bool,
    serve: impl Fn(Listener, Via) -> AbortHandle,
) -> State {
    let opened = if beside_v4 {
        Listener::open_beside_v4(address)
    } else {
        Listener::open(address)
    };
    match opened {
        Ok(listener) => State::Open {
            address: listener.address(),
            task: serve(listener, via),
        },
        Err(error) => State::Failed(error.to_string()),
    }
}

/// Accepts until it is aborted; connections are tasks of their own and live on.
pub(super) fn serve(
    listener: Listener,
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
            };
        }
    };
    tokio::spawn(accept).abort_handle()
}
