//! The Docker daemon that the user runs without root: it sits in RootlessKit's network, where this
//! machine's loopback is not, so the relay is brought there.
//!
//! A process of ours, without any privilege, joins the daemon's user and network namespaces
//! (setns(2): they are this user's own), listens there at the relay's addresses, and passes the
//! sockets back (`SCM_RIGHTS`). Whoever connects in there is handed on to the relay on this machine's
//! loopback. The daemon and its containers reach it so, at the addresses that files are told anyway;
//! nobody else can. What they send without asking a proxy leaves RootlessKit as the user's own, and is
//! not intercepted.

mod inside;
mod outside;

pub use inside::listen_if_asked;
pub(crate) use outside::keep;

/// How this program is asked to be the process that goes inside.
const LISTEN: &str = "listen-in-namespaces";
