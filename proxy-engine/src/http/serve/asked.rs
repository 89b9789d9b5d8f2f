//! What a request asks for.

use bytes::Bytes;

use super::{Asked, Connection};
use crate::http::{RequestHead, target};
use crate::route::{Destination, Host};

impl Connection<'_> {
    /// Where a request that is not CONNECT goes, and its target in origin form.
    pub(super) fn asked(&self, head: &RequestHead) -> Result<AskedFor, target::TargetError> {
        let Asked::Origin(original) = self.client.asked else {
            let url = target::absolute(head)?;
            return Ok(AskedFor {
                destination: url.destination,
                origin_form: url.origin_form,
                absolute_form: Some(head.target.clone()),
            });
        };
        let named = target::host(head)?;
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
        let slash = head.target.starts_with(b"/") || &head.target[..] == b"*";
        let origin_form = if slash {
            head.target.clone()
        } else {
            target::absolute(head)?.origin_form
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
    /// As the client wrote it.
    absolute_form: Option<Bytes>,
}

impl AskedFor {
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
