//! The response, on its way back.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::{LeadsTo, Manner, Outcome};
use crate::dial::auth::{Heard, Login};
use crate::dial::{DialError, doubt};
use crate::http::body::{Body, Source};
use crate::http::fields::Listed;
use crate::http::long::{Right, goes_on};
use crate::http::pace::Pace;
use crate::http::{Framing, ResponseHead, drain, forward};
use crate::relay::WriteHalf;

pub(super) struct Download<'a, 'b> {
    pub(super) source: Source<'a>,
    pub(super) sink: &'a mut WriteHalf<'b>,
    pub(super) manner: &'a Manner<'a>,
    pub(super) pace: &'a Pace,
    pub(super) leads_to: &'a LeadsTo,
    /// `host:port`, for messages.
    pub(super) destination: &'a str,
    pub(super) method: &'a [u8],
    pub(super) asks_for_upgrade: bool,
    /// Whether a byte went to the client.
    pub(super) answered: &'a AtomicBool,
    /// Whether the hop's connection was doubted.
    pub(super) doubted: bool,
    /// The right to a long head, until it is through.
    pub(super) long: Option<Right<'a>>,
}

impl Download<'_, '_> {
    pub(super) async fn run(mut self, login: Option<&mut Login>) -> Outcome {
        let head = match self.final_head(login.as_deref()).await {
            Ok(head) => head,
            Err(outcome) => return outcome,
        };
        if self.doubted {
            doubt(self.source.half.tcp(), false);
        }
        match login.map_or(Ok(Heard::Passed), |login| login.hear(&head)) {
            Err(error) => return failed(error),
            Ok(Heard::Passed) => {}
            Ok(Heard::Elsewhere) => return Outcome::Again { hop_lives: false },
            Ok(Heard::Again) => {
                let (half, read) = (&mut self.source.half, &mut *self.source.read);
                let hop_lives = drain(half, read, &head, self.method, &self.manner.limits).await;
                return Outcome::Again { hop_lives };
            }
        }
        if head.status == 101 {
            return self.switch(head).await;
        }
        let framing = match Framing::of_response(&head, self.method) {
            Ok(framing) => framing,
            Err(error) => return self.bad(error.to_string()),
        };
        let until_close = framing == Framing::UntilClose;
        let hop_lives =
            !until_close && !forward::response_closes(&head) && !forward::contradicts_itself(&head);
        let to = forward::Client {
            is_1_0: self.manner.to.is_1_0,
            // An answer before the whole request: what comes next from the client may be the rest
            // of it (it expected 100), or the next request. Nobody can tell.
            closes: self.manner.to.closes || until_close || !self.pace.is_sent(),
        };
        let body = Body {
            framing,
            unchunk: to.is_1_0,
            listed: Listed::by(&head.fields),
            pace: None,
            limits: self.manner.limits,
            share: self.manner.share,
        };
        if !self.pass(head, &to).await {
            return Outcome::Broken;
        }
        match body.pump(&mut self.source, self.sink).await {
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
    async fn final_head(&mut self, login: Option<&Login>) -> Result<ResponseHead, Outcome> {
        let on_trial = login.is_some_and(Login::is_on_trial);
        let mut has_spoken = !self.source.read.is_empty();
        let mut seen = 0;
        loop {
            let there = self.source.read.len();
            let parsed = if goes_on(self.source.read, seen, self.manner.limits.head) {
                Ok(None)
            } else {
                ResponseHead::parse(self.source.read, &self.manner.limits)
            };
            let left = self.source.read.len();
            let length = match &parsed {
                Ok(Some(_)) => there - left,
                Ok(None) | Err(_) => left,
            };
            if let Err(no_room) = self.manner.share.hold(length, &mut self.long) {
                return Err(failed(no_room.into()));
            }
            match parsed {
                Err(error) => return Err(self.bad(error.to_string())),
                Ok(Some(head)) if head.status == 101 && !self.asks_for_upgrade => {
                    return Err(self.bad("it switches protocols unasked".into()));
                }
                Ok(Some(head)) if head.status >= 200 || head.status == 101 => return Ok(head),
                Ok(Some(interim)) => {
                    seen = 0;
                    self.pace.is_answered(interim.status == 100);
                    if !self.manner.to.is_1_0 && !self.pass(interim, &self.manner.to).await {
                        return Err(Outcome::Broken);
                    }
                }
                Ok(None) => {
                    seen = left;
                    let patience = self.manner.limits.answer_time;
                    let due = self.pace.due(patience);
                    let filled = tokio::select! {
                        biased;
                        filled = timeout_at(due, self.source.fill()) => filled,
                        // Nobody waits for the answer any more.
                        () = self.sink.lost(), if !on_trial => return Err(Outcome::Broken),
                    };
                    match filled {
                        // Only a hop that had something to answer is late.
                        Err(_) if self.pace.due(patience) > Instant::now() => {}
                        Err(_) => {
                            login.inspect(|login| login.unheard());
                            return Err(failed(self.silent()));
                        }
                        Ok(Ok(1..)) => has_spoken = true,
                        Ok(ended) => {
                            let detail = match ended {
                                Ok(_) => "it closed the connection".into(),
                                Err(error) => error.to_string(),
                            };
                            return Err(Outcome::Failed {
                                error: self.bad_answer(detail),
                                maybe_stale: !has_spoken,
                            });
                        }
                    }
                }
            }
        }
    }

    /// The other protocol begins behind the whole request (RFC 9110, section 7.8); until that is
    /// sent, what comes back is passed on beside it.
    async fn switch(&mut self, head: ResponseHead) -> Outcome {
        if !self.pass(head, &self.manner.to).await {
            return Outcome::Broken;
        }
        while !self.pace.is_sent() {
            let back = async {
                if self.source.read.is_empty() && !matches!(self.source.fill().await, Ok(1..)) {
                    return false;
                }
                // What is written is gone from the buffer, what is not stays there.
                self.sink.write_buf(self.source.read).await.is_ok()
            };
            tokio::select! {
                biased;
                () = self.pace.sent() => return Outcome::Switched,
                lives = back => if !lives { return Outcome::Broken },
            }
        }
        Outcome::Switched
    }

    async fn pass(&mut self, head: ResponseHead, to: &forward::Client) -> bool {
        let status = head.status;
        let text = forward::response(head, to, self.manner.pseudonym);
        let is_interim = (100..200).contains(&status) && status != 101;
        self.answered.store(true, Relaxed);
        let passed = self.sink.write_all(&text).await.is_ok();
        self.long = None;
        if is_interim {
            // It is through, and leaves room for another answer.
            self.answered.store(false, Relaxed);
        }
        passed
    }

    fn bad(&self, detail: String) -> Outcome {
        failed(self.bad_answer(detail))
    }

    fn bad_answer(&self, detail: String) -> DialError {
        match self.leads_to {
            LeadsTo::Upstream(upstream) => DialError::UpstreamAnswer {
                upstream: upstream.clone(),
                detail,
            },
            LeadsTo::Origin(..) => DialError::OriginAnswer {
                destination: self.destination.to_owned(),
                detail,
            },
        }
    }

    fn silent(&self) -> DialError {
        match self.leads_to {
            LeadsTo::Upstream(upstream) => DialError::UpstreamTimeout {
                upstream: upstream.clone(),
            },
            LeadsTo::Origin(..) => DialError::OriginTimeout {
                destination: self.destination.to_owned(),
            },
        }
    }
}

fn failed(error: DialError) -> Outcome {
    Outcome::Failed {
        error,
        maybe_stale: false,
    }
}
