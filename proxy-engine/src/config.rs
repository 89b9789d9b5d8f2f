//! What the engine is told: the configuration at its start, and the policy that is swapped live.

mod access;
mod authority;
mod bypass;
mod certificates;
mod chain;
mod credential_users;
mod credentials;
mod engine;
mod file;
mod flags;
mod limits;
mod netns;
mod policy;
mod ports;
mod upstream;
mod way;

pub use access::Access;
pub use authority::{Authority, AuthorityError};
pub use bypass::{Bypass, BypassError, BypassRule, Glob};
pub use certificates::{Certificates, CertificatesError};
pub use chain::{Chain, ChainTo, EngineAddress, EngineAddressError};
pub use credential_users::{CredentialUsers, CredentialUsersError};
pub use credentials::{
    CredentialsError, read_credentials, read_credentials_file, read_credentials_of_systemd,
    read_credentials_secret,
};
pub use engine::{EngineConfig, InterceptBy, LogFormat};
pub use file::ConfigFileError;
pub use flags::{FlagsError, RunFlags};
pub use limits::{Limits, LimitsError};
pub use netns::{Netns, NetnsError};
pub use policy::{DefaultRoute, Interception, Policy, Unavailable};
pub use ports::{Ports, PortsError};
pub use upstream::{Scheme, Upstream, UpstreamError};
pub use way::{Rule, RuleError, Way};
