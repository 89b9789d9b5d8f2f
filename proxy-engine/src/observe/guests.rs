//! Whose the addresses of containers are, as the agent says.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::control::{Guests, Who};

/// The newest table; none while nobody tells.
#[derive(Debug, Default)]
pub struct GuestTable(ArcSwapOption<Told>);

#[derive(Debug)]
struct Told {
    lease: String,
    by_address: HashMap<IpAddr, Arc<Who>>,
}

impl GuestTable {
    /// Holds these from now on, and no others.
    pub fn replace(&self, guests: &Guests) {
        let named = |(ip, name): (IpAddr, &str)| {
            let name = name.to_owned();
            (ip.to_canonical(), Arc::new(Who::Guest { name }))
        };
        let told = Told {
            lease: guests.lease.clone(),
            by_address: guests.names.iter().map(named).collect(),
        };
        self.0.store(Some(Arc::new(told)));
    }

    /// Forgets what was told under the lease, which is over.
    pub fn forget(&self, lease: &str) {
        self.0.rcu(|told| match told {
            Some(told) if told.lease == lease => None,
            other => other.clone(),
        });
    }

    /// Who has that address now. Loopback is this machine's own, whatever is told.
    pub(super) fn at(&self, ip: IpAddr) -> Option<Arc<Who>> {
        let told = self.0.load();
        let who = told.as_ref()?.by_address.get(&ip)?;
        (!ip.is_loopback()).then(|| Arc::clone(who))
    }
}
