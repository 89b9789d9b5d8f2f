//! The whole path on real parts: a workstation with systemd and Docker, behind a company's proxy.
//!
//! Needs root, the packages that `make test` installs, and both programs built: `cargo nextest run
//! --workspace` builds them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod office;
mod user;

#[path = "."]
mod workstation {
    mod builders;
    mod canary;
    mod containerd;
    mod containers;
    mod demo;
    mod distro;
    mod doctor;
    mod elevation;
    mod every_proxy;
    mod exchange;
    mod hand_edited;
    mod lending;
    mod loss;
    mod managed;
    mod pods;
    mod restart;
    mod rootless;
    mod unattended;
    mod undo;
    mod upstream_changes;
    mod without_docker;
}
