//! The wait for a request.

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Connection;
use crate::http::body::Source;
use crate::http::long::{Share, goes_on};
use crate::http::{Answer, RequestHead};
use crate::relay::halves;

/// A client that was taken just before the engine ends has this long to say its first word: it
/// knows of no reason to ask again, as one that keeps a connection does (RFC 9112, section 9.3.1).
const FIRST_WORD: Duration = Duration::from_secs(2);

/// Until whoever says nothing is not waited for any more: the engine is ending.
async fn ending(draining: &CancellationToken, fresh: bool) {
    draining.cancelled().await;
    if fresh {
        // On the heap: every silent client waits here, and few come so far.
        Box::pin(tokio::time::sleep(FIRST_WORD)).await;
    }
}

impl<'a> Connection<'a> {
    /// The next request's head; `None` when the client left, said nothing for too long, or says
    /// nothing while the engine is ending.
    pub(super) async fn next_head(&mut self) -> Result<Option<RequestHead>, Answer> {
        let limits = &self.core.limits;
        let mut due = Instant::now() + limits.keep_alive;
        let mut has_begun = false;
        self.long = None;
        if self.client.read.is_empty() {
            // An idle connection holds no memory for bytes that may never come.
            self.client.read = BytesMut::new();
        }
        let mut seen = 0;
        loop {
            if !goes_on(&self.client.read, seen, limits.head)
                && let Some(head) = self.whole_head()?
            {
                self.fresh = false;
                return Ok(Some(head));
            }
            seen = self.client.read.len();
            if !self.client.read.is_empty() && !has_begun {
                has_begun = true;
                due = Instant::now() + limits.head_time;
            }
            let mut source = Source {
                half: halves(&mut self.client.stream).0,
                read: &mut self.client.read,
                count: self.record.bytes_up(),
            };
            let filled = tokio::select! {
                // What was said already is heard.
                biased;
                filled = timeout_at(due, source.fill()) => filled,
                () = ending(&self.core.draining, self.fresh), if !has_begun => return Ok(None),
            };
            match filled {
                Ok(Ok(1..)) => {}
                Err(_) if has_begun => {
                    return Err(Answer::new(408, "the head of the request came too slowly"));
                }
                Ok(Ok(0) | Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    /// The client's share of long heads and trailer sections.
    pub(super) fn share(&self) -> Share<'a> {
        let client = self.client.asker.client();
        self.core.long_sections.share(client.ip())
    }

    /// The head that was read; `None` while it is not whole. A long one needs the right to be.
    fn whole_head(&mut self) -> Result<Option<RequestHead>, Answer> {
        let there = self.client.read.len();
        let head = RequestHead::parse(&mut self.client.read, &self.core.limits)
            .map_err(|error| Answer::new(error.status(), error.to_string()))?;
        let left = self.client.read.len();
        // Whole or not: one that comes without a pause is kept until its request is done, too.
        let length = if head.is_some() { there - left } else { left };
        self.share().hold(length, &mut self.long)?;
        Ok(head)
    }
}
