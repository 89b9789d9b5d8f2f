//! The table that brings traffic here, told to the kernel without the `nft` program.
//!
//! The table belongs to the socket that made it (`flags owner`): when the socket closes, by
//! whatever cause, the kernel removes the table, and nobody else can change it meanwhile.

mod constants;
mod counted;
mod expression;
mod list;
mod objects;
mod private;
mod ruleset;
mod socket;

pub(super) use counted::{Counted, counted};
pub use list::tables_of_ours;
pub(super) use ruleset::{Capture, Kernel, Road, Targets, inert, install, remove, replace};
pub(super) use socket::NftSocket;
