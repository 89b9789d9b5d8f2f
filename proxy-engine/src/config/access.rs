//! Who may come in, and to where.

use super::{CredentialUsers, Ports};

/// What an engine lets its clients do, whatever the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whose connections carry lent credentials, beside root's and those of the one who lent them.
    pub credential_users: CredentialUsers,
    /// The ports that CONNECT is for; [`Ports::All`] unless somebody says less.
    pub connect_ports: Ports,
    /// Whether an explicit listener may stand on every address of this machine (`0.0.0.0`, `[::]`)
    /// while the policy names an upstream with a user: everybody on every network that this
    /// machine is attached to would come in there.
    pub wildcard: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            credential_users: CredentialUsers::default(),
            connect_ports: Ports::All,
            wildcard: false,
        }
    }
}
