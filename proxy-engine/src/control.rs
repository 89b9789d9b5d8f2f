//! The engine's local API: HTTP and JSON on a Unix socket.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`Status`] |
//! | `GET /v1/connections` | a list of [`Connection`] |
//! | `GET /v1/connections/events` | server-sent events, each with a [`Connection`] as it is then: `opened`, `routed` (again when more is known of the way), `ended`; and `lost` ([`Lost`]) where the listener was too slow |
//! | `PUT /v1/policy` | body [`crate::config::Policy`]; 204, or 422 with [`Problem`] |
//! | `POST /v1/attach?user=NAME` | server-sent events that last as long as the agent does: first `lease` ([`Lease`]), then `status` ([`Status`]) at every change. When the stream ends, however it ends, everything lent under the lease is taken back. |
//! | `PUT /v1/credentials` | body [`LentCredentials`]; 204. The lease must be alive. |
//! | `DELETE /v1/credentials?lease=…` | takes back everything that was lent under the lease; 204 |
//! | `PUT /v1/guests` | body [`Guests`]: whose the addresses of containers are, in place of all that was told before; 204. The lease must be alive, and they are forgotten with it. |
//! | `POST /v1/hand-over` | for a new engine that takes this one's place: see [`hand_over`] |
//!
//! Errors are `application/json` [`Problem`]s.
//!
//! Whose a connection of this machine is, is looked up when somebody asks for the list or listens to
//! the events, and shown as far as the kernel shows it to the engine: the user always, the process
//! only where the engine runs as root or as that same user. `gangway connections` looks for the rest
//! with the rights of whoever types it.
//!
//! Root and the engine's own user may ask, on a socket of mode 0600. Where a group is named, its
//! members may, too, and the socket has mode 0666: not its mode but what the kernel and the machine's
//! database say of the peer decides. That way a user who was put into the group just now needs no
//! new log-in, and everybody else is told what to do instead of `Permission denied`: one answer to
//! whatever they ask, 403 with the problem `engine_not_yours`, and no more than a few at a time.

mod api;
#[cfg(unix)]
pub mod client;
mod guests;
#[cfg(unix)]
pub mod hand_over;
#[cfg(unix)]
mod lenders;
mod passwd;
#[cfg(unix)]
mod peer;
#[cfg(unix)]
pub mod server;
mod who;

pub use api::{
    ChainState, ChainedFrom, Connection, ConnectionCounts, ConnectionEvent, InterceptionState,
    Lease, LentCredentials, ListenerState, Lost, PacState, Problem, RouteTaken, Status,
    UpstreamState, Via,
};
pub use guests::{GuestName, GuestNames, Guests, GuestsError};
pub(crate) use passwd::users;
pub use who::{Process, Who};
