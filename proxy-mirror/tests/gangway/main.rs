//! Promises of the `gangway` command and its agent, asked of the real program in a house of its own.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise: a panic is the report"
)]

mod agent;
mod api;
mod apply;
mod commands;
mod connections;
mod demo;
mod doctor;
mod explain;
mod house;
mod live;
mod login;
mod origin;
mod pac;
mod podman;
mod profiles;
mod schemas;
mod service;
mod upstreams;
