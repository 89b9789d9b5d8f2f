//! One request and its response, over one connection to the next hop.

mod download;
mod silence;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use self::download::Download;
use self::silence::silence;
use super::body::{Body, PumpError, Source};
use super::fields::Listed;
use super::long::Share;
use super::pace::Pace;
use super::{Answer, Framing, forward};
use crate::config::{Limits, Upstream, Way};
use crate::dial::auth::{Bound, Login};
use crate::dial::{DialError, Journey};
use crate::observe::Record;
use crate::relay::{IdleLimit, Stream, halves};
use crate::route::Destination;

/// A connection to the next hop: an origin, or an upstream.
pub(super) struct Hop {
    pub(super) stream: Stream,
    pub(super) read: BytesMut,
    /// What it leads to; another request may use it when this is equal.
    pub(super) leads_to: LeadsTo,
    /// When its last exchange ended; `None` before the first.
    pub(super) idle_since: Option<Instant>,
    /// Whether it may lead nowhere any more ([`crate::dial::doubt`]), until it answers.
    pub(super) doubted: bool,
    /// Whether the upstream has answered on it with the wish to hear the same request again.
    pub(super) asked_again: bool,
    /// Whose log-in the upstream has taken for the whole connection.
    pub(super) bound: Option<Bound>,
}

/// Where a connection to a next hop leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeadsTo {
    /// One origin, by this way.
    Origin(Destination, Way),
    /// Wherever the upstream goes.
    Upstream(Upstream),
}

impl Hop {
    /// Whether it leads to where the journey goes, by one of these ways.
    pub(super) fn serves(&self, journey: &Journey<'_>, ways: &[Way]) -> bool {
        ways.iter()
            .any(|way| self.leads_to == LeadsTo::by(way, journey))
    }

    /// The upstream asks for credentials once more in a request that can be said only once.
    pub(super) fn asks_again(&self) -> DialError {
        let detail = "it asks for credentials in another way now; try again".to_owned();
        match &self.leads_to {
            LeadsTo::Upstream(upstream) => DialError::UpstreamAnswer {
                upstream: upstream.clone(),
                detail,
            },
            LeadsTo::Origin(destination, _) => DialError::OriginAnswer {
                destination: destination.to_string(),
                detail,
            },
        }
    }
}

impl LeadsTo {
    /// Where a new connection by this way leads.
    pub(super) fn by(way: &Way, journey: &Journey<'_>) -> Self {
        match way {
            Way::Upstream(upstream) if upstream.scheme().is_http() => {
                Self::Upstream(upstream.clone())
            }
            Way::Upstream(_) => Self::Origin(journey.to.clone(), way.clone()),
            Way::Direct => Self::Origin(journey.itself.clone(), Way::Direct),
        }
    }

    /// The way that it goes.
    pub(super) fn way(&self) -> Way {
        match self {
            Self::Origin(_, way) => way.clone(),
            Self::Upstream(upstream) => upstream.clone().into(),
        }
    }
}

/// A request ready to go.
pub(super) struct Outgoing<'a> {
    pub(super) head: Vec<u8>,
    pub(super) method: &'a [u8],
    pub(super) framing: Framing,
    /// What the client's `Connection` lists.
    pub(super) listed: Listed,
    pub(super) expects_continue: bool,
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
    /// The client's body goes no further, and nothing was sent to it yet.
    BadBody(Answer),
    /// The upstream wants the request once more, with what the log-in says next. Nothing was sent to
    /// the client yet.
    Again {
        /// Whether the hop may carry it.
        hop_lives: bool,
    },
    /// The response broke in the middle, or the client did: nothing more can be said.
    Broken,
}

/// How messages are passed on here.
pub(super) struct Manner<'a> {
    pub(super) to: forward::Client,
    pub(super) pseudonym: &'a str,
    pub(super) limits: Limits,
    /// The client's, of what is longer than usual.
    pub(super) share: Share<'a>,
    /// How long neither side may say anything.
    pub(super) idle: IdleLimit,
}

/// Sends the request and passes the response on, both at the same time.
pub(super) async fn exchange(
    client: &mut super::Client,
    hop: &mut Hop,
    outgoing: Outgoing<'_>,
    login: Option<&mut Login>,
    manner: &Manner<'_>,
    record: &Record,
) -> Outcome {
    // Before the streams that it is used beside.
    let answered = AtomicBool::new(false);
    let doubted = std::mem::take(&mut hop.doubted);
    let (client_read, mut client_write) = halves(&mut client.stream);
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
    let pace = Pace::new(outgoing.expects_continue);
    let body = Body {
        framing: outgoing.framing,
        unchunk: false,
        listed: outgoing.listed,
        pace: Some(&pace),
        limits: manner.limits,
        share: manner.share,
    };
    let upload = async {
        let head = hop_write.write_all(&outgoing.head).await;
        head.map_err(PumpError::Sink)?;
        hop_write.flush().await.map_err(PumpError::Sink)?;
        body.pump(&mut from_client, &mut hop_write).await?;
        pace.ends();
        Ok(())
    };
    let download = Download {
        source: from_hop,
        sink: &mut client_write,
        manner,
        pace: &pace,
        leads_to: &hop.leads_to,
        destination: &outgoing.destination,
        method: outgoing.method,
        asks_for_upgrade: outgoing.asks_for_upgrade,
        answered: &answered,
        doubted,
        long: None,
    }
    .run(login);
    let silence = silence(record, manner.idle);
    tokio::pin!(upload, download, silence);
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
            () = &mut silence => {
                tracing::debug!("nothing moved for too long");
                break Ok(Outcome::Broken);
            }
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
        Ok(Outcome::Again { hop_lives }) => Outcome::Again {
            hop_lives: hop_lives && sent == Some(true),
        },
        Ok(outcome) => outcome,
        Err(PumpError::Malformed(error)) if !answered.load(Relaxed) => {
            Outcome::BadBody(Answer::new(error.status(), error.to_string()))
        }
        Err(PumpError::NoRoom(error)) if !answered.load(Relaxed) => Outcome::BadBody(error.into()),
        Err(error) => {
            tracing::debug!(%error, "request broken off");
            Outcome::Broken
        }
    }
}
