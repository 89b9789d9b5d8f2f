//! The control plane: from what is set to what is in force.
//!
//! [`source`]s are read, [`settings`] say what the user wants of them, [`policy`] follows from both
//! and goes to the engine, with [`bypass`] lists in every dialect; [`target`]s say what they would need for it, [`change`] carries that out
//! and keeps what was there before, [`agent`] is the loop over all of it and [`control`] its local
//! API. [`doctor`] explains.
//!
//! It knows Docker and nothing of windows; the window and the command line speak [`control`].

pub mod agent;
pub mod bypass;
pub mod change;
pub mod control;
pub mod doctor;
pub mod engine_service;
mod fingerprint;
pub mod messages;
pub mod network;
pub mod pac;
pub mod places;
pub mod policy;
mod position;
mod regular_file;
pub mod rootless;
pub mod secret;
pub mod settings;
pub mod source;
pub mod target;
mod tls;
pub mod world;
