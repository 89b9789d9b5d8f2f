//! The machines that tests run against: a corporate network of network namespaces, its proxy, its
//! origins, and a systemd + Docker workstation inside it.
//!
//! Everything here needs root on Linux. What is missing fails the test with a message that says
//! so: a test that cannot run has not passed. Everything has a name of its own (process id and
//! counter), so that tests run beside each other, and goes in `Drop`; what a killed test left
//! behind, the next one removes.

pub mod ca;
mod child;
pub mod danted;
mod error;
pub mod kdc;
mod machine;
pub mod net;
pub mod nginx;
pub mod origin;
pub mod recorder;
pub mod registry;
mod scratch;
pub mod session;
pub mod squid;
pub mod ssh_socks;
pub mod tls_front;
mod wait;
pub mod wine;
mod workstation;

pub use ca::Ca;
pub use child::Child;
pub use danted::Danted;
pub use error::{Result, TestbedError};
pub use kdc::Kdc;
pub use machine::{Machine, state};
pub use net::{CorpNet, Netns, Row};
pub use nginx::Nginx;
pub use origin::Origin;
pub use recorder::{Behaviour, Recorder};
pub use registry::{APP_IMAGE, Registry};
pub use session::Session;
pub use squid::{Access, BasicLogin, Squid};
pub use ssh_socks::SshSocks;
pub use tls_front::TlsFront;
pub use wait::wait_for;
pub use wine::Wine;
pub use workstation::{
    DISTRO_GATEWAY, Distro, KIND_CLUSTER, KindNode, WORKSTATION, WORKSTATION_V6, WSL_EXE,
    Workstation,
};
