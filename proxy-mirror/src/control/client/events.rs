//! Reading the agent's server-sent events.

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Problem, Status, broken};

/// An event longer than this is none of ours.
const LONGEST_EVENT: usize = 4 << 20;

/// The status now, then at every change.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    unread: BytesMut,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            unread: BytesMut::new(),
        }
    }

    /// The next status; `None` when the agent has ended. Safe to drop while it waits: what was read
    /// stays for the next call.
    ///
    /// # Errors
    /// A [`Problem`] when the connection breaks or an event is not understood.
    pub async fn next(&mut self) -> Result<Option<Status>, Problem> {
        loop {
            while let Some(event) = take_event(&mut self.unread) {
                if let Some(data) = data_of(&event, "status") {
                    return serde_json::from_str(&data).map(Some).map_err(broken);
                }
            }
            if self.unread.len() > LONGEST_EVENT {
                return Err(broken("an event is too long"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(error)),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.unread.extend_from_slice(&bytes);
                    }
                }
            }
        }
    }
}

/// Splits off the first whole event: the text up to an empty line.
fn take_event(unread: &mut BytesMut) -> Option<String> {
    let end = unread.windows(2).position(|pair| pair == b"\n\n")?;
    let event = unread.split_to(end + 2);
    Some(String::from_utf8_lossy(&event).into_owned())
}

/// The data of an event of that name; `None` for other names and for comments.
fn data_of(event: &str, name: &str) -> Option<String> {
    let mut named = false;
    let mut data = Vec::new();
    for line in event.lines() {
        match line.split_once(':') {
            Some(("event", value)) => named = value.trim_start() == name,
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value)),
            _ => {}
        }
    }
    named.then(|| data.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole_and_in_order_however_they_arrive() {
        let mut unread = BytesMut::new();
        let mut seen = Vec::new();
        for byte in b": hello\n\nevent: status\ndata: 1\n\nevent: other\ndata: 2\n\nevent: status\ndata: 3\n\n" {
            unread.extend_from_slice(&[*byte]);
            if let Some(event) = take_event(&mut unread) {
                seen.extend(data_of(&event, "status"));
            }
        }
        assert_eq!(seen, ["1", "3"]);
        assert!(unread.is_empty());
    }
}
