//! Promises of the `gangway` command and its agent, asked of the real program in a house of its own.

mod agent;
mod apply;
mod commands;
mod house;
mod login;
mod origin;
mod schemas;
