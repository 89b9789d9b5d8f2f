//! A socket comes in: what did the client ask for?

mod admission;
mod asker;
mod chained;
mod explicit;
mod holder;
pub mod interfaces;
pub mod inward;
mod listener;
mod onward;
#[cfg(target_os = "linux")]
mod owner;
#[cfg(not(target_os = "linux"))]
#[path = "accept/no_owner.rs"]
mod owner;
mod processes;
mod room;
mod served;
mod transparent;
mod whose;

pub use asker::{Asker, User};
pub use chained::chained;
pub use explicit::explicit;
pub use listener::{ListenError, Listener};
pub(crate) use room::{dialing_socket, lack, once_there_is_room};
pub use served::Served;
pub use transparent::transparent;
pub use whose::{Whose, user_of, whose};
