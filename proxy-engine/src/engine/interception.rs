//! What the policy wants intercepted, and whether it is.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::{InterceptBy, Interception, Netns};
use crate::control::{InterceptionState, Problem};
use crate::intercept::{Families, InterceptError, Interceptor};
use crate::observe::Changes;

/// Problems that end without being tried again: whoever holds the rules sees when, and says so.
const FOLLOWED: [&str; 3] = ["no_address", "no_default_route", "handshakes_dropped"];

/// Keeps interception as the policy wants it, through whoever sets the rules.
#[derive(Debug)]
pub(super) struct Intercepting {
    by: InterceptBy,
    netns: Option<Netns>,
    changes: Changes,
    door: tokio::sync::Mutex<Door>,
    state: Mutex<InterceptionState>,
}

#[derive(Debug, Default)]
struct Door {
    interceptor: Option<Interceptor>,
    wanted: Interception,
    port: Option<u16>,
}

impl Intercepting {
    pub(super) fn new(by: InterceptBy, netns: Option<Netns>, changes: Changes) -> Self {
        Self {
            by,
            netns,
            changes,
            door: tokio::sync::Mutex::default(),
            state: Mutex::new(InterceptionState::Off),
        }
    }

    /// What is in force.
    pub(super) fn state(&self) -> InterceptionState {
        self.shown().clone()
    }

    /// Brings interception to what is wanted; `port` is that of the transparent listener.
    pub(super) async fn want(&self, wanted: &Interception, port: Option<u16>) {
        let mut door = self.door.lock().await;
        let known = matches!(
            *self.shown(),
            InterceptionState::On { .. } | InterceptionState::Off
        );
        if known && door.wanted == *wanted && door.port == port {
            return;
        }
        door.wanted = wanted.clone();
        door.port = port;
        self.bring(&mut door).await;
    }

    /// Tries again what failed, and follows what changed by itself: a broker that went away, an
    /// address that appeared.
    pub(super) async fn mend(&self) {
        let mut door = self.door.lock().await;
        if let Some(interceptor) = &door.interceptor {
            let now = interceptor.state();
            let is_followed = match &now {
                InterceptionState::Failed { problem, .. } => {
                    FOLLOWED.contains(&problem.code.as_str())
                }
                InterceptionState::On { .. } | InterceptionState::Off => true,
            };
            self.show(now);
            if is_followed {
                return;
            }
        }
        let failed = matches!(*self.shown(), InterceptionState::Failed { .. });
        if failed && self.by != InterceptBy::Nobody {
            if matches!(self.by, InterceptBy::Broker(_)) {
                // The old connection may be the reason.
                door.interceptor = None;
            }
            self.bring(&mut door).await;
        }
    }

    /// A listening socket from whoever sets the rules. `None` where the engine shall open it
    /// itself, which needs no privilege in its own network namespace: there is no broker, or it
    /// gives none. In another namespace there is no other way, and what went wrong is said.
    pub(super) async fn listener(
        &self,
        address: SocketAddr,
        families: Families,
    ) -> Option<Result<TcpListener, String>> {
        match &self.by {
            InterceptBy::Broker(_) => {}
            _ if self.netns.is_some() => {}
            InterceptBy::ThisProcess { .. } | InterceptBy::Nobody => return None,
        }
        let opened = self.opened_elsewhere(address, families).await;
        match opened {
            Ok(listener) => Some(Ok(listener)),
            Err(problem) if self.netns.is_some() => Some(Err(problem.message)),
            Err(problem) => {
                tracing::debug!(%address, "no listener from the broker: {}", problem.message);
                None
            }
        }
    }

    async fn opened_elsewhere(
        &self,
        address: SocketAddr,
        families: Families,
    ) -> Result<TcpListener, Problem> {
        let mut door = self.door.lock().await;
        if door.interceptor.is_none() {
            door.interceptor = self.open().await?;
        }
        let Some(interceptor) = &door.interceptor else {
            return Err(nobody());
        };
        let opened = interceptor.open_listener(address, families).await;
        opened.map_err(|error| error.problem())
    }

    /// Whether the rules end with this process.
    #[cfg(unix)]
    pub(super) async fn holds_rules(&self) -> bool {
        let is_here = matches!(self.by, InterceptBy::ThisProcess { .. });
        is_here && self.door.lock().await.interceptor.is_some()
    }

    /// Leaves the broker with the rules in force, for another engine to take over.
    #[cfg(unix)]
    pub(super) async fn leave(&self) {
        self.door.lock().await.interceptor = None;
        self.show(InterceptionState::Off);
    }

    /// Withdraws everything.
    pub(super) async fn end(&self) {
        let mut door = self.door.lock().await;
        if let Some(interceptor) = door.interceptor.take()
            && let Err(error) = interceptor.withdraw().await
        {
            // The rules go with the process that holds them.
            tracing::warn!(%error, "interception not withdrawn");
        }
        self.show(InterceptionState::Off);
    }

    async fn bring(&self, door: &mut Door) {
        let state = match self.apply(door).await {
            Ok(state) => state,
            Err(problem) => InterceptionState::Failed {
                interception: door.wanted.clone(),
                problem,
            },
        };
        self.show(state);
    }

    async fn apply(&self, door: &mut Door) -> Result<InterceptionState, Problem> {
        let nothing = door.wanted.interfaces.is_empty();
        if nothing && door.interceptor.is_none() {
            return Ok(InterceptionState::Off);
        }
        let port = match door.port {
            Some(port) => port,
            None if nothing => 0,
            None => {
                return Err(Problem {
                    code: "no_transparent_listener".into(),
                    message: "no transparent listener is open to bring traffic to; \
                              start the engine with --transparent"
                        .into(),
                });
            }
        };
        if door.interceptor.is_none() {
            door.interceptor = self.open().await?;
        }
        let Some(interceptor) = &door.interceptor else {
            return Err(nobody());
        };
        let applied = if nothing {
            interceptor.withdraw().await
        } else {
            interceptor.apply(&door.wanted, port).await
        };
        applied.map_err(|error: InterceptError| error.problem())?;
        Ok(interceptor.state())
    }

    async fn open(&self) -> Result<Option<Interceptor>, Problem> {
        let opened = match &self.by {
            InterceptBy::Nobody => return Ok(None),
            InterceptBy::Broker(socket) => {
                Interceptor::through_broker_in(socket, self.netns.as_ref()).await
            }
            InterceptBy::ThisProcess { .. } => Interceptor::in_process_in(self.netns.as_ref()),
        };
        opened.map(Some).map_err(|error| error.problem())
    }

    fn show(&self, state: InterceptionState) {
        if let InterceptionState::Failed { problem, .. } = &state
            && *self.shown() != state
        {
            tracing::error!(code = %problem.code, "{}", problem.message);
        }
        let mut shown = self.shown();
        let changed = *shown != state;
        *shown = state;
        drop(shown);
        if changed {
            self.changes.ring();
        }
    }

    fn shown(&self) -> MutexGuard<'_, InterceptionState> {
        // One value, replaced whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody here may set rules.
fn nobody() -> Problem {
    Problem {
        code: "no_broker".into(),
        message: "this engine may not set firewall rules; \
                  install the service with \"gangway engine install\""
            .into(),
    }
}
