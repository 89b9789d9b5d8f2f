//! Where the system's Kerberos cannot be spoken to: other ways are taken.

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GssError {
    /// Always.
    #[error("{0}")]
    Unusable(String),
    /// Never.
    #[error("the KDC refused the password")]
    #[allow(dead_code, reason = "as where there is Kerberos")]
    Refused,
}

/// There is none.
#[derive(Debug)]
pub(super) enum Cred {}

impl Cred {
    pub(super) fn of_tickets() -> Result<Self, GssError> {
        Err(none())
    }

    pub(super) fn of_password(_user: &str, _password: &str) -> Result<Self, GssError> {
        Err(none())
    }

    pub(super) fn ticket(&self) -> super::tickets::Ticket {
        match *self {}
    }

    pub(super) fn token(&self, _host: &str) -> Result<Vec<u8>, GssError> {
        match *self {}
    }
}

fn none() -> GssError {
    GssError::Unusable("tickets are used on Linux alone".into())
}
