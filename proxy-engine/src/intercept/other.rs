//! Systems without interception.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use super::InterceptError;
use crate::config::{Interception, Netns};
use crate::control::InterceptionState;

/// What cannot be had on this system: no value of it exists.
#[derive(Debug)]
pub struct Interceptor(Infallible);

#[allow(
    clippy::unused_async,
    clippy::missing_panics_doc,
    reason = "the signatures are those of Linux"
)]
impl Interceptor {
    /// Fails with [`InterceptError::Unsupported`].
    pub async fn through_broker(_path: &Path) -> Result<Self, InterceptError> {
        Err(InterceptError::Unsupported)
    }

    /// Fails with [`InterceptError::Unsupported`].
    pub async fn through_broker_in(
        _path: &Path,
        _netns: Option<&Netns>,
    ) -> Result<Self, InterceptError> {
        Err(InterceptError::Unsupported)
    }

    /// Fails with [`InterceptError::Unsupported`].
    pub fn in_process() -> Result<Self, InterceptError> {
        Err(InterceptError::Unsupported)
    }

    /// Fails with [`InterceptError::Unsupported`].
    pub fn in_process_in(_netns: Option<&Netns>) -> Result<Self, InterceptError> {
        Err(InterceptError::Unsupported)
    }

    /// Cannot be called.
    pub async fn apply(&self, _: &Interception, _: u16) -> Result<(), InterceptError> {
        match self.0 {}
    }

    /// Cannot be called.
    pub async fn withdraw(&self) -> Result<(), InterceptError> {
        match self.0 {}
    }

    /// Cannot be called.
    pub async fn open_listener(
        &self,
        _: SocketAddr,
        _: super::Families,
    ) -> Result<TcpListener, InterceptError> {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn state(&self) -> InterceptionState {
        match self.0 {}
    }

    /// Cannot be called.
    pub async fn closed(&self) {
        pending::<()>().await;
    }
}

/// There is nothing to drop.
///
/// # Errors
/// Always [`io::ErrorKind::Unsupported`].
pub fn drop_capabilities() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No firewall sends anything here.
pub fn original_dst<T>(_stream: &T) -> Option<SocketAddr> {
    None
}
