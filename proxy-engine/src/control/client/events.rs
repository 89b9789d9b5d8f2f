//! Server-sent events, as they come.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{ANSWER_LIMIT, Client, ClientError};

/// One stream of them.
#[derive(Debug)]
pub(super) struct Events {
    client: Client,
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    /// Those of this answer.
    pub(super) fn of(client: &Client, body: Incoming) -> Self {
        Self {
            client: client.clone(),
            body,
            read: Vec::new(),
        }
    }

    /// Whose they are.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The next event's name and data; `None` when the engine ended. Cancel-safe: what was read
    /// stays in `read`.
    pub(super) async fn next(&mut self) -> Result<Option<(String, Vec<u8>)>, ClientError> {
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = self.parse(&block)?;
                if !event.0.is_empty() {
                    return Ok(Some(event));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    // An engine that was killed ends the stream in the middle.
                    tracing::debug!(%error, "the engine's events ended");
                    return Ok(None);
                }
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.read.extend_from_slice(data);
                    }
                    if self.read.len() > ANSWER_LIMIT {
                        return Err(self.client.odd("an event is too long"));
                    }
                }
            }
        }
    }

    /// One block of `event:` and `data:` lines; a comment has no name.
    fn parse(&self, block: &[u8]) -> Result<(String, Vec<u8>), ClientError> {
        let text = std::str::from_utf8(block).map_err(|e| self.client.odd(e))?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map_or("", str::trim_start)
        };
        Ok((field("event").to_owned(), field("data").into()))
    }
}
