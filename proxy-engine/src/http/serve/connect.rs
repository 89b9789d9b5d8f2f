//! CONNECT: the client wants a tunnel (RFC 9110, section 9.3.6).

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::{After, Asked, Connection};
use crate::dial::{DialError, Journey};
use crate::http::{Answer, Framing, RequestHead, target};
use crate::pac::Purpose;
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
        let route = { self.router }
            .find(&to, Purpose::Tunnel, self.client.asker.world())
            .await;
        self.record.routed(Some(to.to_string()), (&route).into());
        let journey = Journey {
            to: &to,
            itself: &to,
            asker: &self.client.asker,
            router: self.router,
        };
        let dialed = match route {
            Route::Refused { reason } => Err(DialError::Refused { reason }),
            Route::Direct { .. } => journey.direct().await.map(|stream| {
                self.record.dialled(&stream);
                (stream.into(), BytesMut::new())
            }),
            Route::Upstreams { ways, reason } => {
                let agent = head.fields.first("user-agent");
                let tunnel = self.core.dialer.tunnel(&ways, &journey, agent).await;
                tunnel.map(|tunnel| {
                    self.record.dialled(tunnel.stream.tcp());
                    self.record.through(tunnel.way, reason, Some(tunnel.took));
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
