//! CONNECT: the client wants a tunnel (RFC 9110, section 9.3.6).

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::{After, Asked, Connection};
use crate::accept::inward;
use crate::dial::{DialError, dial_direct};
use crate::http::{Answer, Framing, RequestHead, target};
use crate::route::Route;

impl Connection<'_> {
    pub(super) async fn connect(&mut self, head: &RequestHead, framing: Framing) -> After {
        let to = match target::connect(head) {
            Ok(to) if self.client.asked == Asked::Proxy => to,
            Ok(_) => {
                return self
                    .bad_request(head, "CONNECT is for proxies".into())
                    .await;
            }
            Err(error) => return self.bad_request(head, error.to_string()).await,
        };
        // A body in a CONNECT means nothing: it would be the first bytes of the tunnel.
        if !matches!(framing, Framing::Empty | Framing::Length(0)) {
            return self.bad_request(head, "CONNECT has no body".into()).await;
        }
        if !self.core.connect_ports.contains(to.port) {
            let error = DialError::Port {
                destination: to.to_string(),
                ports: self.core.connect_ports.clone(),
            };
            self.record.failed(error.problem());
            self.refuse_with(&Answer::from(&error), false, true).await;
            return After::Linger;
        }
        let route = self.router.route(&to, self.client.asker.world());
        self.record.routed(Some(to.to_string()), (&route).into());
        let dialed = match route {
            Route::Refused { reason } => Err(DialError::Refused { reason }),
            Route::Direct { .. } => {
                let asker = &self.client.asker;
                let permitted = |ip| inward::permitted(asker, self.router, &to, ip);
                let stream = dial_direct(&to, permitted).await;
                stream.map(|stream| {
                    self.record.dialled(&stream);
                    (stream, BytesMut::new())
                })
            }
            Route::Upstreams { upstreams, reason } => {
                let agent = head.fields.first("user-agent");
                let tunnel = self
                    .core
                    .dialer
                    .tunnel(&upstreams, &to, agent, &self.client.asker)
                    .await;
                tunnel.map(|tunnel| {
                    let took = Some(tunnel.took);
                    self.record.dialled(&tunnel.stream);
                    self.record.through(tunnel.upstream, reason, took);
                    (tunnel.stream, tunnel.early)
                })
            }
        };
        match dialed {
            Ok((stream, early)) => {
                self.record.read_down(early.len());
                let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
                match self.client.stream.write_all(answer).await {
                    Ok(()) => After::Tunnel { stream, early },
                    Err(_) => After::Reset,
                }
            }
            Err(error) => {
                self.record.failed(error.problem());
                self.refuse_with(&Answer::from(&error), false, true).await;
                After::Linger
            }
        }
    }
}
