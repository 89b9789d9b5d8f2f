//! What a request asks for.

use bytes::Bytes;

use super::{Asked, Connection};
use crate::http::RequestHead;
use crate::http::target::{self, TargetError};
use crate::route::{Destination, Host};

impl Connection<'_> {
    /// Where a request that is not CONNECT goes, and its target in origin form; `named` is what
    /// its `Host` says.
    pub(super) fn asked(
        &self,
        head: &RequestHead,
        named: Option<Destination>,
    ) -> Result<AskedFor, TargetError> {
        let Asked::Origin(original) = self.client.asked else {
            let url = target::absolute(head)?;
            // `http://a.test?@b.test` has no slash, by which careless readers know where its
            // authority ends: it is written anew, with one.
            let as_it_came = head.target.ends_with(&url.origin_form);
            return Ok(AskedFor {
                destination: url.destination,
                origin_form: url.origin_form,
                absolute_form: as_it_came.then(|| head.target.clone()),
            });
        };
        let (named, origin_form) = match target::origin_form(head) {
            Some(path) => (named, path),
            // RFC 9112, section 3.2.2: what a URL names counts, and `Host` does not.
            None => match target::absolute(head) {
                Ok(url) => (Some(url.destination), url.origin_form),
                Err(TargetError::NotForAProxy) => return Err(TargetError::NotForAnOrigin),
                Err(error) => return Err(error),
            },
        };
        // The name is what the client says; where it goes is what the firewall remembers. An
        // address in Host is worth nothing beside the address that was dialled.
        let dialled = original.ip().to_canonical();
        let host = match named.map(|named| named.host) {
            Some(Host::Name(name)) => Host::Name(name),
            Some(Host::Ip(ip)) => {
                if ip != dialled {
                    let client = self.client.asker.client();
                    tracing::info!(%client, %original, host = %ip, "Host is another address");
                }
                Host::Ip(dialled)
            }
            None => Host::Ip(dialled),
        };
        Ok(AskedFor {
            destination: Destination {
                host,
                port: original.port(),
            },
            origin_form,
            absolute_form: None,
        })
    }
}

/// Where a request goes.
pub(super) struct AskedFor {
    pub(super) destination: Destination,
    origin_form: Bytes,
    /// As the client wrote it, where that may go on.
    absolute_form: Option<Bytes>,
}

impl AskedFor {
    /// Path and query; `/` where they are no text.
    pub(super) fn path(&self) -> &str {
        std::str::from_utf8(&self.origin_form).unwrap_or("/")
    }

    /// The target for an upstream, or for the origin itself.
    pub(super) fn target(&self, upstream: bool) -> Bytes {
        match &self.absolute_form {
            _ if !upstream => self.origin_form.clone(),
            Some(absolute) => absolute.clone(),
            None => {
                let mut url =
                    format!("http://{}", target::authority(&self.destination)).into_bytes();
                if &self.origin_form[..] != b"*" {
                    url.extend_from_slice(&self.origin_form);
                }
                url.into()
            }
        }
    }
}
