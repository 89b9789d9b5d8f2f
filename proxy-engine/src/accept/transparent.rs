//! Clients that believe they speak to where they were going.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Asker;
use super::onward::onward;
use super::served::Served;
use crate::control::Via;
use crate::dial::{DialError, Journey};
use crate::engine::Core;
use crate::http::{Asked, Client, serve};
use crate::intercept::original_dst;
use crate::observe::Record;
use crate::pac::Purpose;
use crate::relay::{Pair, Stream, Tunnel};
use crate::route::{Belongs, Destination, Host, Route, Router, World, belongs, route_original};
use crate::sniff::{client_hello, request_head};

/// How long a client on a port of TLS or HTTP may take to say enough; then it goes on as it is.
const SPEAKS_FIRST: Duration = Duration::from_secs(5);
/// On other ports the server may speak first: the client gets no more than this.
const PERHAPS: Duration = Duration::from_millis(300);
/// Bytes that a first read takes at most.
const FIRST_READ: usize = 2048;
/// Ports on which the server speaks first: FTP, SSH, SMTP, POP3, IMAP, submission, MySQL.
const SERVER_FIRST: [u16; 7] = [21, 22, 25, 110, 143, 587, 3306];

/// What the first bytes told.
enum Said {
    Tls(client_hello::ClientHello),
    Http,
    /// Neither, or nothing in time.
    Other,
}

/// Serves one connection of a transparent listener. Without an original destination, or with one
/// that is the listener itself, nobody intercepted it: it is closed.
pub fn transparent(
    core: Arc<Core>,
    stream: TcpStream,
    client: SocketAddr,
    local: SocketAddr,
) -> Served {
    Served::new(open(core, stream, client, local))
}

pub(super) async fn open(
    core: Arc<Core>,
    stream: TcpStream,
    client: SocketAddr,
    local: SocketAddr,
) -> Option<Tunnel> {
    let Some(original) = original_dst(&stream).filter(|original| *original != local) else {
        tracing::info!(%client, %local, "direct hit on the transparent listener closed");
        core.table.turned_away();
        return None;
    };
    let record = core
        .table
        .open(client, Via::Transparent, local, Some(original));
    let client = Client {
        stream,
        read: BytesMut::new(),
        asker: Asker::captured(client, original),
        asked: Asked::Origin(original),
    };
    // The engine that decides may stand behind a captured bridge itself.
    let own_way = core.dialer.health.is_one(client.asker.client().ip());
    let pair = match &core.chain {
        Some(chain) if !own_way => {
            Box::pin(onward(&core, chain, client, Vec::new(), &record)).await
        }
        Some(_) | None => intercepted(&core, client, original, &record).await,
    };
    Some(Tunnel::new(pair?, record, core.idle))
}

/// Serves a client that was going to `original`.
pub(super) fn intercepted<'a>(
    core: &'a Arc<Core>,
    mut client: Client,
    original: SocketAddr,
    record: &'a Record,
) -> impl Future<Output = Option<Pair>> + Send + 'a {
    let router = core.router();
    let world = client.asker.world();
    // Not an `async fn`: its future would hold the client twice.
    async move {
        // An upstream behind a captured bridge goes its own way: sent to itself, it would call again
        // without end. In another world the same address is somebody else's.
        let is_upstream =
            world == World::Own && core.dialer.health.is_one(client.asker.client().ip());
        let own_way = is_upstream.then(|| "the upstream's own connection".to_owned());
        // Where the address alone decides, there is nothing to wait for.
        let own_way = own_way.map(|reason| Route::Direct { reason });
        let direct = || router.direct_by_address(original, world);
        if let Some(route) = own_way.or_else(direct) {
            return Box::pin(pass_on(
                core, &router, client, original, None, route, record,
            ))
            .await;
        }
        let before = client.read.len();
        let said = match first_words(&mut client.stream, &mut client.read, original.port()).await {
            Ok(said) => {
                record.read_up(client.read.len() - before);
                said
            }
            // The client left before it said anything.
            Err(error) => {
                tracing::debug!(client = %client.asker.client(), %error, "client left");
                return None;
            }
        };
        let name = match said {
            Said::Http => return Box::pin(serve(core, &router, client, record)).await,
            Said::Tls(hello) => Box::pin(trusted_name(hello, original)).await,
            Said::Other => None,
        };
        let route = Box::pin(route_original(
            &router,
            original,
            name.as_deref(),
            Purpose::Tunnel,
            world,
        ))
        .await;
        Box::pin(pass_on(
            core, &router, client, original, name, route, record,
        ))
        .await
    }
}

/// The server name, unless it is likely to be the front of an encrypted hello.
async fn trusted_name(hello: client_hello::ClientHello, original: SocketAddr) -> Option<String> {
    let name = hello.server_name?;
    // Most encrypted hellos are grease, and the name is true. One that resolves here, and to
    // somewhere else, is a front: the origin behind it is known by its address alone.
    if hello.encrypted_hello && belongs(&name, original.ip()).await == Belongs::No {
        return None;
    }
    Some(name)
}

/// Reads until it is clear what the client speaks. No byte is changed or kept back.
async fn first_words(stream: &mut TcpStream, read: &mut BytesMut, port: u16) -> io::Result<Said> {
    if SERVER_FIRST.contains(&port) {
        return Ok(Said::Other);
    }
    let patience = if matches!(port, 80 | 443) {
        SPEAKS_FIRST
    } else {
        PERHAPS
    };
    let mut hello = client_hello::Sniffer::default();
    let listen = async {
        loop {
            stream.readable().await?;
            // Once bytes are there: room for most hellos in one read.
            read.reserve(FIRST_READ);
            match stream.try_read_buf(read) {
                Ok(0) if read.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(0) => return Ok(Said::Other),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // A false alarm: a client that says nothing holds nothing.
                    if read.is_empty() {
                        *read = BytesMut::new();
                    }
                    continue;
                }
                Err(error) => return Err(error),
            }
            match hello.look(read) {
                client_hello::Sniffed::Hello(hello) => return Ok(Said::Tls(hello)),
                client_hello::Sniffed::Incomplete => continue,
                client_hello::Sniffed::NotTls => {}
            }
            match request_head::sniff(read) {
                request_head::Sniffed::Request => return Ok(Said::Http),
                request_head::Sniffed::NotHttp => return Ok(Said::Other),
                request_head::Sniffed::Incomplete => {}
            }
        }
    };
    // Whoever says nothing, or not enough, goes on to where it was going.
    tokio::time::timeout(patience, listen)
        .await
        .unwrap_or(Ok(Said::Other))
}

/// Connects. Whatever fails, the client sees a clean close: it does not know
/// that there is a proxy to hear from.
async fn pass_on(
    core: &Core,
    router: &Router,
    client: Client,
    original: SocketAddr,
    name: Option<String>,
    route: Route,
    record: &Record,
) -> Option<Pair> {
    let to = Destination {
        host: name.map_or_else(|| Host::Ip(original.ip().to_canonical()), Host::Name),
        port: original.port(),
    };
    record.routed(to.name().map(|_| to.to_string()), (&route).into());
    // What is done once stands on the heap while it is: a silent client carries none of it.
    let asker = &client.asker;
    match Box::pin(connect(core, router, asker, original, &to, route, record)).await {
        Ok((origin, early)) => {
            record.read_down(early.len());
            Some(Pair {
                client: client.stream,
                origin,
                early_up: client.read,
                early_down: early,
            })
        }
        Err(error) => {
            let problem = error.problem();
            // The whole of it may name a host: that stands in the connection's own line, where
            // somebody wants to know so much.
            tracing::info!(client = %asker.client(), %original, code = problem.code, "no route");
            record.failed(problem);
            None
        }
    }
}

async fn connect(
    core: &Core,
    router: &Router,
    asker: &Asker,
    original: SocketAddr,
    to: &Destination,
    route: Route,
    record: &Record,
) -> Result<(Stream, BytesMut), DialError> {
    // Where it is direct: the address that the client dialled.
    let itself = original.into();
    let journey = Journey {
        to,
        itself: &itself,
        asker,
        router,
    };
    match route {
        Route::Refused { reason } => Err(DialError::Refused { reason }),
        Route::Direct { .. } => {
            let stream = journey.direct().await?;
            record.dialled(&stream);
            Ok((stream.into(), BytesMut::new()))
        }
        Route::Upstreams { ways, reason } => {
            let tunnel = core.dialer.tunnel(&ways, &journey, None).await?;
            record.dialled(tunnel.stream.tcp());
            record.through(tunnel.way, reason, Some(tunnel.took));
            Ok((tunnel.stream, tunnel.early))
        }
    }
}

#[cfg(test)]
mod tests;
