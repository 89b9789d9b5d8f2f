//! Where a connection is to go, and for whom.

use tokio::net::TcpStream;

use super::{DialError, dial_direct};
use crate::accept::{Asker, inward};
use crate::route::{Destination, Router};

/// What every way needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Journey<'a> {
    /// What a proxy is told.
    pub to: &'a Destination,
    /// What is dialled where no proxy stands between: on intercepted connections the original
    /// address, never what a name says.
    pub itself: &'a Destination,
    /// Who wants to go there.
    pub asker: &'a Asker,
    /// The policy that the connection sees.
    pub router: &'a Router,
}

impl Journey<'_> {
    /// Straight there, where the client may be brought.
    ///
    /// # Errors
    /// As [`dial_direct`].
    pub async fn direct(&self) -> Result<TcpStream, DialError> {
        let permitted = |ip| inward::permitted(self.asker, self.router, self.itself, ip);
        dial_direct(self.itself, permitted).await
    }
}
