//! One request and its response, over one connection to the next hop.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::WriteHalf;
use tokio::time::Instant;

use super::body::{PumpError, Source, pump};
use super::{Framing, ResponseHead, forward};
use crate::config::Upstream;
use crate::dial::DialError;
use crate::dial::auth::Permit;
use crate::observe::Record;

/// How long a next hop may think about a plain request. Longer than about a CONNECT, because
/// origins behind it may answer slowly on purpose (long polling).
const THINKING: Duration = Duration::from_mins(1);

/// A connection to the next hop: an origin, or an upstream.
pub(super) struct Hop {
    pub(super) stream: TcpStream,
    pub(super) read: BytesMut,
    /// What it leads to; another request may use it when this is equal.
    pub(super) leads_to: LeadsTo,
    /// When its last exchange ended; `None` before the first.
    pub(super) idle_since: Option<Instant>,
}

/// Where a connection to a next hop leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeadsTo {
    /// One origin.
    Origin(crate::route::Destination),
    /// Wherever the upstream goes.
    Upstream(Upstream),
}

/// A request ready to go.
pub(super) struct Outgoing<'a> {
    pub(super) head: Vec<u8>,
    pub(super) method: &'a [u8],
    pub(super) framing: Framing,
    pub(super) permit: Permit,
    pub(super) asks_for_upgrade: bool,
    /// `host:port`, for messages.
    pub(super) destination: String,
}

/// How an exchange ended.
pub(super) enum Outcome {
    /// The response is through, whole.
    Done {
        /// Whether the hop may carry another request.
        hop_lives: bool,
        /// Whether the client may send another one.
        client_lives: bool,
    },
    /// The origin speaks another protocol from here on; 101 was passed on.
    Switched,
    /// Nothing was sent to the client yet.
    Failed {
        error: DialError,
        /// The hop was closed before it said a byte: where it had been idle, that says nothing.
        maybe_stale: bool,
    },
    /// The client's body is malformed, and nothing was sent to it yet.
    BadBody(PumpError),
    /// The response broke in the middle, or the client did: nothing more can be said.
    Broken,
}

/// Sends the request and passes the response on, both at the same time.
pub(super) async fn exchange(
    client: &mut super::Client,
    hop: &mut Hop,
    outgoing: Outgoing<'_>,
    to: &forward::Client,
    pseudonym: &str,
    record: &Record,
) -> Outcome {
    let (client_read, mut client_write) = client.stream.split();
    let (hop_read, mut hop_write) = hop.stream.split();
    let mut from_client = Source {
        half: client_read,
        read: &mut client.read,
        count: record.bytes_up(),
    };
    let from_hop = Source {
        half: hop_read,
        read: &mut hop.read,
        count: record.bytes_down(),
    };
    let framing = outgoing.framing;
    let upload = async {
        let head = hop_write.write_all(&outgoing.head).await;
        head.map_err(PumpError::Sink)?;
        pump(framing, &mut from_client, &mut hop_write, false).await
    };
    let answered = AtomicBool::new(false);
    let download = Download {
        source: from_hop,
        sink: &mut client_write,
        to,
        pseudonym,
        answered: &answered,
    }
    .run(
        outgoing.method,
        outgoing.permit,
        outgoing.asks_for_upgrade,
        &hop.leads_to,
        &outgoing.destination,
    );
    tokio::pin!(upload, download);
    let mut sent = None;
    let ended = loop {
        tokio::select! {
            biased;
            result = &mut upload, if sent.is_none() => match result {
                Ok(()) => sent = Some(true),
                // It stopped reading; what it answers decides.
                Err(PumpError::Sink(_)) => sent = Some(false),
                Err(error) => break Err(error),
            },
            outcome = &mut download => break Ok(outcome),
        }
    };
    match ended {
        Ok(Outcome::Done {
            hop_lives,
            client_lives,
        }) => Outcome::Done {
            hop_lives: hop_lives && sent == Some(true),
            client_lives: client_lives && sent == Some(true),
        },
        Ok(outcome) => outcome,
        Err(error @ PumpError::Malformed(_)) if !answered.load(Relaxed) => Outcome::BadBody(error),
        Err(error) => {
            tracing::debug!(%error, "request broken off");
            Outcome::Broken
        }
    }
}

struct Download<'a, 'b> {
    source: Source<'a>,
    sink: &'a mut WriteHalf<'b>,
    to: &'a forward::Client,
    pseudonym: &'a str,
    /// Whether a byte went to the client.
    answered: &'a AtomicBool,
}

impl Download<'_, '_> {
    async fn run(
        mut self,
        method: &[u8],
        permit: Permit,
        asks_for_upgrade: bool,
        leads_to: &LeadsTo,
        destination: &str,
    ) -> Outcome {
        let bad = |detail: String| bad_answer(leads_to, destination, detail);
        let head = match self
            .final_head(asks_for_upgrade, leads_to, destination)
            .await
        {
            Ok(head) => head,
            Err(outcome) => return outcome,
        };
        if let LeadsTo::Upstream(upstream) = leads_to
            && let Err(error) = crate::dial::judge(permit, &head, upstream)
        {
            return Outcome::Failed {
                error,
                maybe_stale: false,
            };
        }
        if head.status == 101 {
            let text = forward::response(head, Framing::Empty, self.to, self.pseudonym);
            return match self.sink.write_all(&text).await {
                Ok(()) => Outcome::Switched,
                Err(_) => Outcome::Broken,
            };
        }
        let framing = match Framing::of_response(&head, method) {
            Ok(framing) => framing,
            Err(error) => return bad(error.to_string()),
        };
        let until_close = framing == Framing::UntilClose;
        let hop_lives = !forward::response_closes(&head) && !until_close;
        let to = forward::Client {
            is_1_0: self.to.is_1_0,
            closes: self.to.closes || until_close,
        };
        let text = forward::response(head, framing, &to, self.pseudonym);
        self.answered.store(true, Relaxed);
        if self.sink.write_all(&text).await.is_err() {
            return Outcome::Broken;
        }
        match pump(framing, &mut self.source, self.sink, self.to.is_1_0).await {
            Ok(()) => Outcome::Done {
                hop_lives: hop_lives && self.source.read.is_empty(),
                client_lives: !to.closes,
            },
            Err(error) => {
                tracing::debug!(%error, "response broken off");
                Outcome::Broken
            }
        }
    }

    /// The first head that is not interim; interim ones are passed on.
    async fn final_head(
        &mut self,
        asks_for_upgrade: bool,
        leads_to: &LeadsTo,
        destination: &str,
    ) -> Result<ResponseHead, Outcome> {
        let bad = |detail: String| bad_answer(leads_to, destination, detail);
        let mut has_spoken = !self.source.read.is_empty();
        loop {
            match ResponseHead::parse(self.source.read) {
                Err(error) => return Err(bad(error.to_string())),
                Ok(Some(head)) if head.status == 101 && !asks_for_upgrade => {
                    return Err(bad("it switches protocols unasked".into()));
                }
                Ok(Some(head)) if head.status >= 200 || head.status == 101 => return Ok(head),
                Ok(Some(interim)) => {
                    if !self.to.is_1_0 {
                        let text =
                            forward::response(interim, Framing::Empty, self.to, self.pseudonym);
                        self.answered.store(true, Relaxed);
                        self.sink
                            .write_all(&text)
                            .await
                            .map_err(|_| Outcome::Broken)?;
                    }
                }
                Ok(None) => match tokio::time::timeout(THINKING, self.source.fill()).await {
                    Err(_) => return Err(failed(silent(leads_to, destination))),
                    Ok(Ok(1..)) => has_spoken = true,
                    Ok(ended) => {
                        let detail = match ended {
                            Ok(_) => "it closed the connection".into(),
                            Err(error) => error.to_string(),
                        };
                        return Err(match bad(detail) {
                            Outcome::Failed { error, .. } => Outcome::Failed {
                                error,
                                maybe_stale: !has_spoken,
                            },
                            other => other,
                        });
                    }
                },
            }
        }
    }
}

fn failed(error: DialError) -> Outcome {
    Outcome::Failed {
        error,
        maybe_stale: false,
    }
}

fn silent(leads_to: &LeadsTo, destination: &str) -> DialError {
    match leads_to {
        LeadsTo::Upstream(upstream) => DialError::UpstreamTimeout {
            upstream: upstream.clone(),
        },
        LeadsTo::Origin(_) => DialError::OriginTimeout {
            destination: destination.to_owned(),
        },
    }
}

fn bad_answer(leads_to: &LeadsTo, destination: &str, detail: String) -> Outcome {
    failed(match leads_to {
        LeadsTo::Upstream(upstream) => DialError::UpstreamAnswer {
            upstream: upstream.clone(),
            detail,
        },
        LeadsTo::Origin(_) => DialError::OriginAnswer {
            destination: destination.to_owned(),
            detail,
        },
    })
}
