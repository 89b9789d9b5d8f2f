//! Three machines in a row, with nothing else on the way: what speed is measured on.

use std::net::Ipv4Addr;

use super::layout::{self, add, link};
use super::{Netns, require, require_root, sweep};
use crate::Result;

/// `pod → node → corp`. The node forwards, and masquerades its pods, as a Docker host does; every
/// other kernel setting is the default of a new namespace. Goes when dropped.
#[derive(Debug)]
pub struct Row {
    /// The client's machine, at [`super::POD`] behind [`super::POD_BRIDGE`].
    pub pod: Netns,
    /// The machine between them, at [`super::NODE`] on the side of `corp`.
    pub node: Netns,
    /// The company's side: its proxy's address [`super::PROXY`], and the origins' addresses.
    pub corp: Netns,
}

impl Row {
    /// Builds the row, with `origins` in `corp`; the node reaches them through [`super::PROXY`].
    ///
    /// # Errors
    /// [`crate::TestbedError::NotRoot`], [`crate::TestbedError::Missing`], or the command that
    /// failed.
    pub fn new(origins: &[Ipv4Addr]) -> Result<Self> {
        require_root()?;
        require("ip", "iproute2")?;
        require("nft", "nftables")?;
        sweep::remove_leftovers()?;
        let prefix = super::netns::unused_prefix();
        let host = |role: &str| Netns::create(&prefix, role, super::PROXY);
        let row = Self {
            pod: host("pod")?,
            node: host("node")?,
            corp: host("corp")?,
        };
        link(&row.node, "eth0", &row.corp, "eth0")?;
        add(&row.node, "eth0", &format!("{}/24", super::NODE))?;
        add(&row.corp, "eth0", &format!("{}/24", super::PROXY))?;
        for origin in origins {
            add(&row.corp, "lo", &format!("{origin}/32"))?;
        }
        row.node
            .ip(&format!("route add default via {}", super::PROXY))?;
        layout::pods(&row.pod, &row.node)?;
        Ok(row)
    }
}
