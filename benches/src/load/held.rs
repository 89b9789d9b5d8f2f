//! Tunnels that stand and carry nothing.

use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use super::Client;
use crate::error::{BenchError, Result};
use crate::hello::Command;

/// How many are opened at once.
const AT_ONCE: usize = 32;

/// Opens `tunnels`, each with an answer, and holds them while `look` looks.
pub(crate) async fn hold<T>(
    client: Client,
    tunnels: usize,
    look: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let client = Rc::new(client);
    let mut held: Vec<TcpStream> = Vec::with_capacity(tunnels);
    LocalSet::new()
        .run_until(async {
            let mut opening = JoinSet::new();
            let mut begun = 0;
            loop {
                while begun < tunnels && opening.len() < AT_ONCE {
                    let client = client.clone();
                    opening.spawn_local(async move { client.open(Command::Echo).await });
                    begun += 1;
                }
                match opening.join_next().await {
                    None => return Ok::<_, BenchError>(()),
                    Some(opened) => held.push(
                        opened
                            .map_err(|panic| BenchError::Unexpected(panic.to_string()))?
                            .map_err(BenchError::io("a tunnel to hold"))?,
                    ),
                }
            }
        })
        .await?;
    let seen = look();
    drop(held);
    seen
}
