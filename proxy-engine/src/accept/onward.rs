//! Connections of an engine that decides nothing itself.

use std::net::SocketAddr;

use crate::chain::{EngineId, Facts};
use crate::control::RouteTaken;
use crate::dial::Chain;
use crate::engine::Core;
use crate::http::{Answer, Asked, Client, turn_away};
use crate::observe::Record;
use crate::relay::Pair;

/// Passes the connection on as it is to the engine that decides; `path` is what it came through
/// before. Where that engine cannot be had, it is refused: whatever else it could be, it is not
/// this engine's to decide.
pub(super) async fn onward(
    core: &Core,
    chain: &Chain,
    client: Client,
    mut path: Vec<EngineId>,
    record: &Record,
) -> Option<Pair> {
    let engine = chain.authority();
    record.routed(None, RouteTaken::Chained { engine });
    path.push(core.id.clone());
    let facts = Facts {
        path,
        client: client.asker.client(),
        original: original(client.asked),
    };
    match core.dialer.chain(chain, &facts).await {
        Ok((origin, early_down)) => {
            record.dialled(&origin);
            record.read_down(early_down.len());
            Some(Pair {
                client: client.stream,
                origin: origin.into(),
                early_up: client.read,
                early_down,
            })
        }
        Err(error) => {
            record.failed(error.problem());
            // Who believes that he speaks to an origin sees a clean close.
            if client.asked == Asked::Proxy {
                turn_away(client.stream, Answer::from(&error)).await;
            }
            None
        }
    }
}

fn original(asked: Asked) -> Option<SocketAddr> {
    match asked {
        Asked::Proxy => None,
        Asked::Origin(original) => Some(original),
    }
}
