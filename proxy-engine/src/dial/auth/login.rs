//! One request's conversation with one upstream about who asks.
//!
//! It knows nothing of connections: [`Login::say`] gives what the next message says, and
//! [`Login::hear`] takes what the upstream answers to it. The strongest way that is offered and can
//! be gone here is taken. One that cannot be gone after all (no ticket, a handshake cut off) leads
//! to the next; a password that was refused leads nowhere.

mod hear;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use tokio::sync::watch;

use super::digest::Session;
use super::logged_in::{self, Handshake};
use super::scheme::{Known, Memory, Scheme, Wrapped};
use super::standing::{Attempt, Standing, Trial};
use super::tickets::{GssError, Ticket, Tickets};
use super::{Challenge, Lent, negotiate, ntlm};
use crate::config::Upstream;
use crate::dial::DialError;
use crate::observe::Changes;

/// The conversation.
#[derive(Debug)]
pub struct Login {
    upstream: Upstream,
    who: Who,
    memory: Arc<Memory>,
    changes: Changes,
    step: Step,
    /// The password's trial, once it began.
    attempt: Option<Attempt>,
    /// The ticket's.
    shown: Option<Trial>,
    tickets: Arc<Tickets>,
    /// NTLM as the logged-in user, once it began.
    handshake: Option<Handshake>,
    /// What the upstream offered last.
    offered: Vec<Challenge>,
    /// What was tried and cannot be gone.
    impossible: Vec<Scheme>,
    /// Why there is no Kerberos token.
    no_token: Option<String>,
    asked: u8,
}

/// What there is to say.
#[derive(Debug)]
pub(super) enum Who {
    /// Nothing: the policy names no user.
    Nobody,
    /// Nothing to this client.
    Withheld,
    /// This.
    Has(Means),
}

/// What a user can be shown to be somebody with.
#[derive(Debug)]
pub(super) struct Means {
    /// A user's name and password.
    pub(super) lent: Option<Arc<Lent>>,
    /// The ticket of this process's user.
    pub(super) ticket: bool,
}

/// What is said next.
#[derive(Debug)]
enum Step {
    /// Nothing: how the upstream wants it is not known, or it does not ask.
    Ask,
    /// Nothing: the connection is logged in.
    Bound,
    /// A token that is not made yet.
    Negotiate,
    Token(Vec<u8>),
    Basic,
    Digest {
        session: Session,
        /// Of the answer just heard: nobody else has it.
        fresh: bool,
    },
    NtlmHello(Wrapped),
    /// NTLM as the user who is logged in: what is said next, once it is made.
    User {
        wrapped: Wrapped,
        part: Part,
    },
    NtlmProof {
        wrapped: Wrapped,
        challenge: ntlm::Challenge,
        /// It has left this process.
        said: bool,
    },
}

/// Where NTLM as the logged-in user is.
#[derive(Debug)]
enum Part {
    /// Its first message is not made yet.
    Begin,
    /// The first message.
    Hello(Vec<u8>),
    /// The proxy's message, which is not answered yet.
    Challenge(Vec<u8>),
    /// The last message.
    Proof(Vec<u8>),
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the answer to the request.
    Passed,
    /// The request is to be said again, with what [`Login::say`] gives.
    Again,
    /// The same, over another connection: this one is spoilt.
    Elsewhere,
}

/// What a request says about who asks. A secret: it goes to the upstream and nowhere else.
#[derive(Debug)]
pub struct Said {
    value: SecretSlice<u8>,
    in_handshake: bool,
}

impl Said {
    /// The fields of the request.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        // Some end the connection in the middle of a handshake, where they are not asked for more.
        let keep = ("Proxy-Connection", &b"Keep-Alive"[..]);
        let value = ("Proxy-Authorization", self.value.expose_secret());
        [value].into_iter().chain(self.in_handshake.then_some(keep))
    }
}

/// Whose log-in a connection carries: only the same may use it on.
#[derive(Debug, Clone)]
pub struct Bound(Arc<watch::Sender<Standing>>);

impl Login {
    pub(super) fn new(
        upstream: &Upstream,
        who: Who,
        memory: &Arc<Memory>,
        tickets: &Arc<Tickets>,
        changes: &Changes,
    ) -> Self {
        let mut login = Self {
            upstream: upstream.clone(),
            step: Step::Ask,
            memory: Arc::clone(memory),
            changes: changes.clone(),
            attempt: None,
            shown: None,
            tickets: Arc::clone(tickets),
            handshake: None,
            offered: Vec::new(),
            impossible: Vec::new(),
            no_token: None,
            asked: 0,
            who,
        };
        login.begin(false);
        login
    }

    /// Takes the way that worked last, where one is known; with `fresh`, just now.
    fn begin(&mut self, fresh: bool) {
        if self.has_credentials()
            && let Some(known) = self.memory.of(&self.upstream.authority())
        {
            self.step = match known {
                Known::Negotiate => Step::Negotiate,
                Known::Ntlm(wrapped) => self.ntlm(wrapped),
                Known::Basic => Step::Basic,
                Known::Digest(session) => Step::Digest { session, fresh },
            };
        }
    }

    /// NTLM with a password, or as the logged-in user where there is none.
    fn ntlm(&self, wrapped: Wrapped) -> Step {
        match self.lent() {
            Some(_) => Step::NtlmHello(wrapped),
            None => Step::User {
                wrapped,
                part: Part::Begin,
            },
        }
    }

    /// Whether the user who is logged in can be shown to be somebody.
    fn is_logged_in(&self) -> bool {
        logged_in::KNOWN && matches!(self.who, Who::Has(Means { ticket: true, .. }))
    }

    /// A rehearsal has passed: what is said next is what passed.
    pub fn is_rehearsed(&mut self) {
        if matches!(self.step, Step::Ask) {
            self.begin(true);
        }
    }

    /// Nobody will hear what became of what was said last, and nobody said no: it took too long, or
    /// its client left. A proxy that refuses does so at once.
    pub fn unheard(&self) {
        self.attempt.as_ref().inspect(|attempt| attempt.unsaid());
        self.shown.as_ref().inspect(|shown| shown.unsaid());
    }

    /// Whether the answer is awaited as the verdict on what was never taken before: it is worth
    /// hearing though nobody else waits for it.
    pub fn is_on_trial(&self) -> bool {
        !self.is_proven()
    }

    /// Whether what is said next is known to be taken. What nobody tries yet is not on trial.
    fn is_proven(&self) -> bool {
        match (&self.shown, &self.attempt) {
            (Some(shown), _) => shown.is_proven(),
            (None, Some(attempt)) => attempt.is_proven(),
            (None, None) => true,
        }
    }

    /// The same before it is claimed: of the password.
    fn has_proven_password(&self) -> bool {
        self.lent()
            .is_none_or(|lent| *lent.standing.borrow() == Standing::Accepted)
    }

    /// Whether anything could be said at all.
    pub fn has_credentials(&self) -> bool {
        match self.who {
            Who::Has(_) => true,
            Who::Nobody | Who::Withheld => false,
        }
    }

    fn lent(&self) -> Option<&Arc<Lent>> {
        match &self.who {
            Who::Has(means) => means.lent.as_ref(),
            Who::Nobody | Who::Withheld => None,
        }
    }

    /// Goes on over a connection that an earlier request logged in.
    pub fn over(&mut self, bound: Option<&Bound>) {
        if let (Some(Bound(theirs)), Some(ours)) = (bound, self.lent())
            && Arc::ptr_eq(theirs, &ours.standing)
        {
            self.step = Step::Bound;
        }
    }

    /// Whose log-in the connection carries now; `None` where each request says who asks.
    pub fn bound(&self) -> Option<Bound> {
        match (&self.step, self.lent()) {
            (Step::Bound, Some(lent)) => Some(Bound(Arc::clone(&lent.standing))),
            _ => None,
        }
    }

    /// Makes the token that is said next, where it is one; where none can be had, another way is
    /// taken. Before [`Login::needs_rehearsal`].
    ///
    /// # Errors
    /// As [`Login::say`].
    pub async fn settle(&mut self) -> Result<(), DialError> {
        // Each turn makes something, or rules a way out.
        loop {
            let (scheme, made) = match &self.step {
                Step::Negotiate => {
                    let token = self.token().await;
                    (Scheme::Negotiate, token.map(Step::Token))
                }
                &Step::User {
                    wrapped,
                    part: Part::Begin | Part::Challenge(_),
                } => {
                    let message = self.message_of_user().await;
                    let made = message.map(|part| Step::User { wrapped, part });
                    (Scheme::Ntlm(wrapped), made)
                }
                _ => return Ok(()),
            };
            match made {
                Ok(step) => {
                    self.step = step;
                    return Ok(());
                }
                Err(NoToken::Error(error)) => return Err(error),
                Err(NoToken::Unusable(why)) => {
                    tracing::info!(upstream = %self.upstream.authority(), why, "no token");
                    self.no_token = Some(why);
                    self.impossible.push(scheme);
                    self.memory.forget(&self.upstream.authority());
                    if self.offered.is_empty() {
                        // It was what worked last: what else does is not known.
                        self.step = Step::Ask;
                    } else {
                        self.choose()?;
                    }
                }
            }
        }
    }

    /// The next message of NTLM as the logged-in user. A refusal is remembered as that of a ticket.
    async fn message_of_user(&mut self) -> Result<Part, NoToken> {
        let step = std::mem::replace(&mut self.step, Step::Ask);
        let unusable = |error: GssError| NoToken::Unusable(error.to_string());
        let refused = || {
            NoToken::Error(DialError::TicketRefused {
                upstream: self.upstream.clone(),
            })
        };
        let user = Ticket {
            user: "the logged-in user".into(),
            until: u64::MAX,
        };
        let standing = self.tickets.standing(&self.upstream.authority(), user);
        if *standing.borrow() == Standing::Refused {
            return Err(refused());
        }
        if let Step::User {
            part: Part::Challenge(challenge),
            ..
        } = step
        {
            let Some(handshake) = self.handshake.take() else {
                return Err(NoToken::Unusable("the log-in was never begun".into()));
            };
            let trial = Trial::claim(&standing, &self.changes).await;
            self.shown = Some(trial.ok_or_else(refused)?);
            let made = negotiate::apart(move || handshake.proof(&challenge)).await;
            return made.map(Part::Proof).map_err(unusable);
        }
        let host = self.upstream.host().to_owned();
        let begun = negotiate::apart(move || logged_in::hello(&host)).await;
        let (handshake, message) = begun.map_err(unusable)?;
        self.handshake = Some(handshake);
        Ok(Part::Hello(message))
    }

    async fn token(&mut self) -> Result<Vec<u8>, NoToken> {
        let host = self.upstream.host().to_owned();
        let mut why = String::new();
        if let Who::Has(Means { ticket: true, .. }) = self.who {
            match self.token_of_ticket(&host).await? {
                Ok(token) => return Ok(token),
                Err(error) => why = error.to_string(),
            }
        }
        let Some(lent) = self.lent() else {
            return Err(NoToken::Unusable(why));
        };
        let lent = Arc::clone(lent);
        // A connection that ended before it answered took no verdict with it: the trial goes on.
        let attempt = match self.attempt.take() {
            Some(attempt) => attempt,
            None => { lent.claim(&self.upstream, &self.changes).await }.map_err(NoToken::Error)?,
        };
        match negotiate::of_password(&attempt, &host).await {
            Ok(token) => {
                self.attempt = Some(attempt);
                Ok(token)
            }
            Err(GssError::Refused) => {
                self.attempt = Some(attempt);
                Err(NoToken::Error(self.refused()))
            }
            Err(GssError::Unusable(why)) => {
                attempt.unsaid();
                Err(NoToken::Unusable(why))
            }
        }
    }

    /// A token of the user's ticket. While that was never accepted here, one request at a time shows
    /// it, and once it was refused, none does.
    async fn token_of_ticket(&mut self, host: &str) -> Result<Result<Vec<u8>, GssError>, NoToken> {
        let (cred, ticket) = match negotiate::ticket().await {
            Ok(had) => had,
            Err(error) => return Ok(Err(error)),
        };
        if self.shown.is_none() {
            let standing = self.tickets.standing(&self.upstream.authority(), ticket);
            self.shown = Trial::claim(&standing, &self.changes).await;
        }
        if self.shown.is_none() {
            return Err(NoToken::Error(DialError::TicketRefused {
                upstream: self.upstream.clone(),
            }));
        }
        let token = negotiate::of_ticket(cred, host).await;
        if token.is_err() {
            self.shown = None;
        }
        Ok(token)
    }

    /// Whether a request with a body has to wait: until an empty one was answered, its body might
    /// have to be sent twice.
    pub fn needs_rehearsal(&self) -> bool {
        match self.step {
            Step::Ask => self.has_credentials(),
            // While a password is on trial everybody else waits: not for a long body, too.
            Step::Digest { fresh, .. } => !fresh || !self.has_proven_password(),
            Step::Basic => !self.has_proven_password(),
            Step::Token(_) => !self.is_proven(),
            Step::NtlmHello(_)
            | Step::User {
                part: Part::Begin | Part::Hello(_),
                ..
            } => true,
            Step::Negotiate | Step::Bound | Step::NtlmProof { .. } | Step::User { .. } => false,
        }
    }

    /// The next request is an empty one, which shall fetch what the real one needs.
    pub fn rehearse(&mut self) {
        // Without a word of ours it is stopped by the upstream itself, with a nonce that is new.
        if let Step::Digest { fresh: false, .. } = self.step {
            self.step = Step::Ask;
        }
    }

    /// What the next request says, if anything. Waits while another request tries the same password
    /// for the first time.
    ///
    /// # Errors
    /// [`DialError::CredentialsRefused`] by then; [`DialError::UpstreamAnswer`].
    pub async fn say(&mut self, method: &[u8], target: &[u8]) -> Result<Option<Said>, DialError> {
        self.settle().await?;
        let needs_password = match self.step {
            Step::Ask
            | Step::Bound
            | Step::Negotiate
            | Step::Token(_)
            | Step::NtlmHello(_)
            | Step::User { .. } => false,
            Step::Basic | Step::Digest { .. } | Step::NtlmProof { .. } => true,
        };
        if needs_password
            && self.attempt.is_none()
            && let Some(lent) = self.lent()
        {
            self.attempt = Some(lent.claim(&self.upstream, &self.changes).await?);
        }
        let attempt = self.attempt.as_ref();
        let said = match (&mut self.step, attempt) {
            (Step::NtlmHello(wrapped), _) => message(*wrapped, &ntlm::hello()),
            (Step::Token(token), _) => message(Wrapped::Negotiate, token),
            (
                Step::User {
                    wrapped,
                    part: Part::Hello(token) | Part::Proof(token),
                },
                _,
            ) => message(*wrapped, token),
            (Step::Basic, Some(attempt)) => attempt.basic().expose_secret().as_bytes().to_vec(),
            (Step::Digest { session, .. }, Some(attempt)) => {
                session.answer(attempt.user(), attempt.password(), method, target)
            }
            (
                Step::NtlmProof {
                    wrapped,
                    challenge,
                    said,
                },
                Some(attempt),
            ) => {
                let (user, host) = (attempt.user(), self.upstream.host());
                let proof = challenge.answer(user, attempt.password(), host);
                let proof = proof.map_err(|error| unfit(&self.upstream, &error.to_string()))?;
                *said = true;
                message(*wrapped, &proof)
            }
            (Step::Ask | Step::Bound | Step::Negotiate | Step::User { .. }, _) | (_, None) => {
                return Ok(None);
            }
        };
        Ok(Some(Said {
            value: SecretSlice::from(said),
            in_handshake: matches!(
                self.step,
                Step::NtlmHello(_) | Step::NtlmProof { .. } | Step::User { .. }
            ),
        }))
    }
}

/// Why there is no token.
enum NoToken {
    Unusable(String),
    /// Then there is nothing else to be said either.
    Error(DialError),
}

fn message(wrapped: Wrapped, message: &[u8]) -> Vec<u8> {
    format!("{} {}", wrapped.word(), STANDARD.encode(message)).into_bytes()
}

fn unfit(upstream: &Upstream, detail: &str) -> DialError {
    DialError::UpstreamAnswer {
        upstream: upstream.clone(),
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
