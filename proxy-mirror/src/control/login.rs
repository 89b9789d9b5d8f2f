//! Whether a proxy asks for what only the user knows.

use proxy_engine::config::Upstream;

use super::{CredentialsState, Status, UpstreamView};

/// A proxy that asks for a password which nobody has, or has refused the one it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginWanted {
    /// `host:port`, as credentials are stored for.
    pub authority: String,
    /// Who the user is there; empty where that is not known.
    pub user: String,
    /// Whether a password was sent and refused: it is not sent again.
    pub refused: bool,
}

impl Status {
    /// The first proxy that was asked to let a connection through and wants a password first.
    pub fn login_wanted(&self) -> Option<LoginWanted> {
        self.engine.upstreams.iter().find_map(LoginWanted::of)
    }
}

impl LoginWanted {
    fn of(view: &UpstreamView) -> Option<Self> {
        let refused = match view.problem.as_ref()?.code.as_str() {
            "credentials_refused" => true,
            // Who has just logged in waits for the next connection to show it.
            "credentials_wanted" | "credentials_not_lent"
                if view.credentials != CredentialsState::Lent =>
            {
                false
            }
            _ => return None,
        };
        let upstream: Upstream = view.upstream.parse().ok()?;
        Some(Self {
            authority: upstream.authority(),
            user: upstream.user().unwrap_or_default().to_owned(),
            refused,
        })
    }
}
