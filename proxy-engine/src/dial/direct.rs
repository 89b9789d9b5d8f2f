//! Straight to the origin.

use std::net::IpAddr;

use tokio::net::TcpStream;

use super::{DialError, connect_any, resolve};
use crate::route::Destination;

/// Connects to the destination itself. `permitted` is asked about every address of it, and its
/// sentence, where it gives one, refuses the whole destination.
///
/// # Errors
/// [`DialError::Resolve`], [`DialError::Inward`] or [`DialError::OriginUnreachable`].
pub async fn dial_direct(
    to: &Destination,
    permitted: impl Fn(IpAddr) -> Result<(), String>,
) -> Result<TcpStream, DialError> {
    let addrs = resolve(&to.host, to.port)
        .await
        .map_err(|error| DialError::Resolve {
            host: to.host.to_string(),
            detail: error.to_string(),
        })?;
    for addr in &addrs {
        permitted(addr.ip()).map_err(|reason| DialError::Inward {
            destination: to.to_string(),
            reason,
        })?;
    }
    connect_any(&addrs)
        .await
        .map_err(|source| DialError::OriginUnreachable {
            destination: to.to_string(),
            source,
        })
}
