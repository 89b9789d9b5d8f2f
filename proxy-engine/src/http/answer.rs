//! Answers of our own: why a request goes no further, readable in every client.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::NoRoom;
use crate::dial::DialError;

/// An answer that the engine gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The problem's code, by which programs know it.
    pub code: &'static str,
    /// What happened and what to do, one line. It is the body, and the reason phrase too: dockerd
    /// shows people nothing but that.
    pub message: String,
}

impl From<&DialError> for Answer {
    fn from(error: &DialError) -> Self {
        Self {
            status: error.status(),
            code: error.code(),
            message: error.to_string(),
        }
    }
}

impl From<NoRoom> for Answer {
    fn from(error: NoRoom) -> Self {
        Self {
            status: NoRoom::STATUS,
            code: NoRoom::CODE,
            message: error.to_string(),
        }
    }
}

impl Answer {
    /// An answer to what was asked in a wrong way.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            code: "bad_request",
            message: message.into(),
        }
    }

    /// The answer's bytes; without a body for HEAD.
    pub(super) fn write(&self, to_head: bool, close: bool) -> Vec<u8> {
        let body = format!("Gangway: {}\n", self.message);
        let mut out = format!(
            "HTTP/1.1 {} Gangway: {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n",
            self.status,
            printable(self.message.as_bytes()),
            body.len(),
        );
        if self.status == 407 {
            // RFC 9110, section 15.5.8, wants a challenge. A scheme that no client speaks keeps
            // browsers from asking people for a password that we would not take.
            out.push_str("Proxy-Authenticate: Gangway\r\n");
        }
        if close {
            out.push_str("Connection: close\r\n");
        }
        out.push_str("\r\n");
        if !to_head {
            out.push_str(&body);
        }
        out.into_bytes()
    }
}

/// Tells a client that it is not served here, and hangs up.
pub async fn turn_away(mut stream: TcpStream, answer: Answer) {
    // Whoever left before hears nothing, which is as well.
    if stream.write_all(&answer.write(false, true)).await.is_ok() {
        linger(stream).await;
    }
}

/// Text as it may stand in a reason phrase: printable ASCII, 200 bytes at most.
pub fn printable(text: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    text.iter().take(200).map(shown).collect()
}

/// Closes a connection whose client may still be sending: it would take a reset for the answer.
pub(super) async fn linger(mut stream: TcpStream) {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
    if stream.shutdown().await.is_err() {
        return;
    }
    // On the heap: a connection carries its future's size from its first byte on.
    let mut scrap = vec![0; 4096];
    let drain = async { while matches!(stream.read(&mut scrap).await, Ok(1..)) {} };
    // Whoever sends for longer gets the reset.
    let _ = tokio::time::timeout(PATIENCE, drain).await;
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn the_reason_phrase_names_the_cause_in_ascii() {
        let answer = Answer::new(407, "no password for próxy\r\nX-Evil: 1");
        let text = String::from_utf8(answer.write(true, true)).expect("text");
        let line = text.lines().next().expect("status line");
        assert_eq!(
            line,
            "HTTP/1.1 407 Gangway: no password for pr??xy??X-Evil: 1"
        );
        assert!(text.ends_with("Connection: close\r\n\r\n"));
    }
}
