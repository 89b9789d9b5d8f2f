//! The engine's door to interception, with or without a broker.

use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::broker::BrokerClient;
use super::holder::HolderThread;
use super::{Families, InterceptError};
use crate::config::{Interception, Netns};
use crate::control::InterceptionState;

/// Brings traffic to a transparent listener. When it is dropped, so is the interception: at once
/// in this process, after two seconds through a broker (which waits for an engine that restarts).
#[derive(Debug)]
pub struct Interceptor {
    way: Way,
    last: Mutex<Last>,
}

#[derive(Debug)]
enum Way {
    Broker(BrokerClient),
    Thread(HolderThread),
}

/// What was last asked for, and why it failed.
#[derive(Debug, Default)]
struct Last {
    interception: Interception,
    failed: Option<crate::control::Problem>,
}

impl Interceptor {
    /// Through the broker that listens at `path`, which is asked whether the kernel would take
    /// the rules. This process needs no privilege.
    ///
    /// # Errors
    /// [`InterceptError::NoBroker`], or what the broker refused.
    pub async fn through_broker(path: &Path) -> Result<Self, InterceptError> {
        Self::through_broker_in(path, None).await
    }

    /// The same, with rules and listeners in the network namespace `netns`.
    ///
    /// # Errors
    /// As [`Interceptor::through_broker`]; error code `netns_unreachable`.
    pub async fn through_broker_in(
        path: &Path,
        netns: Option<&Netns>,
    ) -> Result<Self, InterceptError> {
        let client = BrokerClient::connect(path, netns).await?;
        Ok(Self::new(Way::Broker(client)))
    }

    /// In a thread of this process, which needs CAP_NET_ADMIN until
    /// [`drop_capabilities`](super::drop_capabilities). The kernel is asked whether it would take
    /// the rules. Needs no runtime.
    ///
    /// # Errors
    /// [`InterceptError::NotPermitted`], [`InterceptError::MissingFeature`], …
    pub fn in_process() -> Result<Self, InterceptError> {
        Self::in_process_in(None)
    }

    /// The same, with rules and listeners in the network namespace `netns`, which takes
    /// CAP_SYS_ADMIN too.
    ///
    /// # Errors
    /// As [`Interceptor::in_process`], and [`InterceptError::Netns`].
    pub fn in_process_in(netns: Option<&Netns>) -> Result<Self, InterceptError> {
        Ok(Self::new(Way::Thread(HolderThread::start(netns)?)))
    }

    fn new(way: Way) -> Self {
        Self {
            way,
            last: Mutex::default(),
        }
    }

    /// Captures what `interception` names, for the transparent listener on port `port`, in place
    /// of what was captured before; with no interfaces, nothing. Connections that live are not
    /// touched. That listener must listen on the unspecified address (`0.0.0.0`, `[::]`); nobody
    /// reaches it there but by capture.
    ///
    /// # Errors
    /// What the kernel or the broker refused: then everything is as before. Error code
    /// `no_address`: it begins as soon as there is an address to send to.
    pub async fn apply(
        &self,
        interception: &Interception,
        port: u16,
    ) -> Result<(), InterceptError> {
        let applied = match &self.way {
            Way::Broker(client) => client.apply(interception, port).await,
            Way::Thread(thread) => thread.apply(interception, port).await,
        };
        let failed = applied.as_ref().err().map(InterceptError::problem);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last {
            interception: interception.clone(),
            // This one ends by itself, and the holder knows when.
            failed: failed.filter(|problem| problem.code != "no_address"),
        };
        applied
    }

    /// Captures nothing more; captured connections live on.
    ///
    /// # Errors
    /// As [`Interceptor::apply`].
    pub async fn withdraw(&self) -> Result<(), InterceptError> {
        self.apply(&Interception::default(), 0).await
    }

    /// A non-blocking listener, on an address that need not exist yet.
    ///
    /// # Errors
    /// [`InterceptError::Listen`], or what the broker refused (no port below 1024).
    pub async fn open_listener(
        &self,
        address: SocketAddr,
        families: Families,
    ) -> Result<TcpListener, InterceptError> {
        match &self.way {
            Way::Broker(client) => client.open_listener(address, families).await,
            Way::Thread(thread) => thread.open_listener(address, families).await,
        }
    }

    /// What is in force.
    pub fn state(&self) -> InterceptionState {
        let held = match &self.way {
            Way::Broker(client) => client.state(),
            Way::Thread(thread) => Some(thread.state()),
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = held.is_none().then(|| InterceptError::BrokerGone.problem());
        match gone.or_else(|| last.failed.clone()) {
            Some(problem) if !last.interception.interfaces.is_empty() => {
                InterceptionState::Failed {
                    interception: last.interception.clone(),
                    problem,
                }
            }
            _ => held.unwrap_or(InterceptionState::Off),
        }
    }

    /// Ends when the broker is gone and a new one must be asked; without a broker, never.
    pub async fn closed(&self) {
        match &self.way {
            Way::Broker(client) => client.closed().await,
            Way::Thread(_) => pending().await,
        }
    }
}
