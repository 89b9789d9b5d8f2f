//! One client's connection: each request is routed by itself.

mod asked;
mod connect;
mod last;
mod next_head;
mod next_hop;
mod plain;
mod refuse;
mod rehearsal;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::answer::linger;
use super::exchange::Hop;
use super::long::Right;
use super::{Answer, Framing, RequestHead, forward, target};
use crate::accept::Asker;
use crate::dial::DialError;
use crate::engine::Core;
use crate::observe::Record;
use crate::pac::Purpose;
use crate::relay::{Pair, Stream, reset};
use crate::route::{Router, route_original};

/// A client's connection, and what was read from it already.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub stream: TcpStream,
    /// Bytes that come first.
    pub read: BytesMut,
    /// Who it is.
    pub asker: Asker,
    /// What it believes that it speaks to.
    pub asked: Asked,
}

/// What a client believes that it speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A proxy.
    Proxy,
    /// The origin at this address; interception brought it here.
    Origin(SocketAddr),
}

/// Serves the client until one side ends, or the connection becomes a tunnel. The connection sees
/// `router` from start to end; once another policy is in force, it is closed after the response
/// under way.
pub fn serve<'a>(
    core: &'a Core,
    router: &'a Arc<Router>,
    client: Client,
    record: &'a Record,
) -> impl Future<Output = Option<Pair>> + Send + 'a {
    let mut connection = Connection {
        core,
        router,
        client,
        record,
        hop: None,
        fresh: true,
        long: None,
    };
    // Not an `async fn`: its future would hold the client twice.
    async move {
        loop {
            let head = match connection.next_head().await {
                Ok(Some(head)) => head,
                Ok(None) => return None,
                Err(answer) => {
                    Box::pin(connection.refuse(answer, false)).await;
                    return None;
                }
            };
            // On the heap, so that an idle connection does not carry what it needs.
            match Box::pin(connection.request(head)).await {
                After::Next => {}
                After::Linger => {
                    Box::pin(linger(connection.client.stream)).await;
                    return None;
                }
                After::Tunnel { stream, early } => {
                    return Some(Pair {
                        client: connection.client.stream,
                        origin: stream,
                        early_up: connection.client.read,
                        early_down: early,
                    });
                }
                After::Reset => {
                    reset(&connection.client.stream);
                    return None;
                }
            }
        }
    }
}

struct Connection<'a> {
    core: &'a Core,
    router: &'a Arc<Router>,
    client: Client,
    record: &'a Record,
    /// The next hop of the last request, for the next one.
    hop: Option<Hop>,
    /// Whether nothing was asked yet.
    fresh: bool,
    /// The right to a long head, until the request is done.
    long: Option<Right<'a>>,
}

enum After {
    Next,
    /// The client was answered and may still be sending.
    Linger,
    Tunnel {
        stream: Stream,
        early: BytesMut,
    },
    /// The client must not take what it got for the whole.
    Reset,
}

impl Connection<'_> {
    async fn request(&mut self, head: RequestHead) -> After {
        let framing = match Framing::of_request(&head) {
            Ok(framing) => framing,
            Err(error) => {
                let answer = Answer::new(error.status(), error.to_string());
                return self.turn_down(&head, answer).await;
            }
        };
        // Whatever is asked for (RFC 9112, section 3.2).
        let named = match target::host(&head) {
            Ok(named) => named,
            Err(error) => return self.bad_request(&head, error.to_string()).await,
        };
        if forward::has_looped(&head, &self.core.dialer.pseudonym) {
            return self.fail(&head, framing, &DialError::Loop).await;
        }
        if head.is("CONNECT") {
            return self.connect(&head, framing).await;
        }
        if self.is_for_this_engine(&head) {
            return self.answer_as_last(head, framing).await;
        }
        let asked = match self.asked(&head, named) {
            Ok(asked) => asked,
            Err(error) => return self.bad_request(&head, error.to_string()).await,
        };
        let world = self.client.asker.world();
        let purpose = Purpose::Request(asked.path());
        let route = match self.client.asked {
            Asked::Proxy => self.router.find(&asked.destination, purpose, world).await,
            Asked::Origin(original) => {
                let name = asked.destination.name();
                route_original(self.router, original, name, purpose, world).await
            }
        };
        self.plain(head, framing, asked, route).await
    }
}
