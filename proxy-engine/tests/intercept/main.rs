//! Interception on real parts: namespaces, the kernel's own firewall, processes that are killed.

#![cfg(target_os = "linux")]

mod alone;
mod broker_door;
mod brokered;
mod capture;
mod commands;
mod elsewhere;
mod loops;
mod neighbours;
mod no_route;
mod processes;
mod quic;
mod refused;
mod road;
mod survival;
mod table;
mod upgrade;
