//! The wait for a request.

use std::time::Duration;

use bytes::BytesMut;

use super::Connection;
use crate::http::body::Source;
use crate::http::head::HeadError;
use crate::http::{Answer, RequestHead};

/// A head that is not complete after this time is given up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A client may keep its connection this long without a request.
const KEEP_ALIVE: Duration = Duration::from_mins(2);

impl Connection<'_> {
    /// The next request's head; `None` when the client left or waited too long.
    pub(super) async fn next_head(&mut self) -> Result<Option<RequestHead>, Answer> {
        let mut patience = KEEP_ALIVE;
        if self.client.read.is_empty() {
            // An idle connection holds no memory for bytes that may never come.
            self.client.read = BytesMut::new();
        }
        loop {
            match RequestHead::parse(&mut self.client.read) {
                Ok(Some(head)) => return Ok(Some(head)),
                Ok(None) => {}
                Err(error @ HeadError::TooLarge) => {
                    return Err(Answer::new(431, error.to_string()));
                }
                Err(error) => return Err(Answer::new(400, error.to_string())),
            }
            if !self.client.read.is_empty() {
                patience = HEAD_TIMEOUT;
            }
            let mut source = Source {
                half: self.client.stream.split().0,
                read: &mut self.client.read,
                count: self.record.bytes_up(),
            };
            match tokio::time::timeout(patience, source.fill()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return Ok(None),
            }
        }
    }
}
