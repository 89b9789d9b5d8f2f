//! What an upstream's answer means, and what is said next.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::digest::Session;
use super::super::scheme::{Known, Scheme, Wrapped};
use super::super::standing::{Attempt, Trial};
use super::super::{basic, challenges, ntlm};
use super::{Heard, Login, Part, Step, Who, unfit};
use crate::dial::DialError;
use crate::http::ResponseHead;

/// Requests for credentials that one request takes. The longest way: a stale nonce, a handshake that
/// is cut off, and two legs of the next.
const MOST: u8 = 6;

impl Login {
    /// Takes the answer to what was said last.
    ///
    /// # Errors
    /// Why there is nothing more to say: [`DialError::CredentialsRefused`],
    /// [`DialError::CredentialsWanted`], [`DialError::CredentialsWithheld`],
    /// [`DialError::TicketRefused`], [`DialError::NoTicket`], [`DialError::LoginImpossible`],
    /// [`DialError::UpstreamAnswer`].
    pub fn hear(&mut self, answer: &ResponseHead) -> Result<Heard, DialError> {
        if answer.status != 407 {
            self.passed();
            return Ok(Heard::Passed);
        }
        let upstream = || self.upstream.clone();
        match self.who {
            Who::Nobody => {
                return Err(DialError::CredentialsWanted {
                    upstream: upstream(),
                });
            }
            Who::Withheld => {
                return Err(DialError::CredentialsWithheld {
                    upstream: upstream(),
                });
            }
            Who::Has(_) => {}
        }
        self.asked += 1;
        if self.asked > MOST {
            return Err(unfit(
                &self.upstream,
                "it asks for credentials again and again",
            ));
        }
        self.offered = challenges(answer.fields.all("proxy-authenticate"));
        let said = match std::mem::replace(&mut self.step, Step::Ask) {
            Step::Ask | Step::Bound | Step::Negotiate => return self.choose(),
            Step::Token(_) => Scheme::Negotiate,
            Step::Basic => Scheme::Basic,
            Step::Digest { fresh, .. } => {
                // One nonce was too old, or counted by two; the next is this request's own.
                if !fresh && Session::is_stale(&self.offered) {
                    self.unheard();
                    return self.choose();
                }
                Scheme::Digest
            }
            Step::NtlmHello(wrapped)
            | Step::User {
                wrapped,
                part: Part::Hello(_),
            } => return self.hear_ntlm(wrapped),
            Step::User { wrapped, .. } | Step::NtlmProof { wrapped, .. } => Scheme::Ntlm(wrapped),
        };
        // What is not offered any more was not refused: the upstream wants it in another way now.
        if self.offered.is_empty() || said.is_offered(&self.offered) {
            return Err(self.refused());
        }
        (self.attempt, self.shown) = (None, None);
        self.memory.forget(&self.upstream.authority());
        self.choose()
    }

    /// The connection ended before the next request: what was begun on it begins anew, or not.
    ///
    /// # Errors
    /// [`DialError::LoginImpossible`]; [`DialError::UpstreamAnswer`] where a proof of the password
    /// got no answer: another one would be another try.
    pub fn reconnects(&mut self) -> Result<(), DialError> {
        self.is_cut_off();
        match self.step {
            Step::NtlmProof { said: true, .. } => {
                let what = "it closed the connection when it had the proof of the password";
                Err(unfit(&self.upstream, what))
            }
            Step::NtlmProof { wrapped, .. } => {
                self.impossible.push(Scheme::Ntlm(wrapped));
                self.choose().map(|_| ())
            }
            Step::Bound => {
                self.step = Step::Ask;
                Ok(())
            }
            Step::User {
                part: Part::Proof(_),
                ..
            } => {
                self.shown = None;
                let what = "it closed the connection when it had the proof of who is logged in";
                Err(unfit(&self.upstream, what))
            }
            Step::User {
                wrapped,
                part: Part::Challenge(_),
            } => {
                self.handshake = None;
                self.impossible.push(Scheme::Ntlm(wrapped));
                self.choose().map(|_| ())
            }
            Step::User { wrapped, .. } => {
                self.handshake = None;
                self.step = self.ntlm(wrapped);
                Ok(())
            }
            // A token serves one connection (RFC 4559, section 6).
            Step::Token(_) => {
                self.step = Step::Negotiate;
                Ok(())
            }
            Step::Ask
            | Step::Negotiate
            | Step::Basic
            | Step::Digest { .. }
            | Step::NtlmHello(_) => Ok(()),
        }
    }

    /// What was said last got no answer: that is all that this conversation says of what is on trial,
    /// and the next time it is said counts as another one.
    fn is_cut_off(&mut self) {
        if self.attempt.as_ref().is_some_and(Attempt::is_in_doubt) {
            self.attempt = None;
        }
        if self.shown.as_ref().is_some_and(Trial::is_in_doubt) {
            self.shown = None;
        }
    }

    fn hear_ntlm(&mut self, wrapped: Wrapped) -> Result<Heard, DialError> {
        let word = wrapped.word().to_ascii_lowercase();
        let mut of_scheme = self.offered.iter().filter(|c| c.scheme == word);
        let token = of_scheme.find_map(|c| STANDARD.decode(c.token.as_deref()?).ok());
        let read = token.and_then(|token| Some((ntlm::Challenge::read(&token)?, token)));
        if let Some((challenge, bytes)) = read {
            self.step = match self.handshake {
                Some(_) => Step::User {
                    wrapped,
                    part: Part::Challenge(bytes),
                },
                None => Step::NtlmProof {
                    wrapped,
                    challenge,
                    said: false,
                },
            };
            return Ok(Heard::Again);
        }
        self.handshake = None;
        self.impossible.push(Scheme::Ntlm(wrapped));
        self.memory.forget(&self.upstream.authority());
        // Some hold a connection to the way that was begun on it.
        self.choose().map(|_| Heard::Elsewhere)
    }

    /// Takes the strongest way that is offered and can be gone.
    pub(super) fn choose(&mut self) -> Result<Heard, DialError> {
        let mut ways = Scheme::BY_STRENGTH.into_iter();
        let step = ways.find_map(|scheme| self.way(scheme));
        self.step = step.ok_or_else(|| self.no_way())?;
        Ok(Heard::Again)
    }

    fn way(&self, scheme: Scheme) -> Option<Step> {
        if !scheme.is_offered(&self.offered) || self.impossible.contains(&scheme) {
            return None;
        }
        match scheme {
            Scheme::Negotiate => Some(Step::Negotiate),
            Scheme::Ntlm(wrapped) => {
                (self.lent().is_some() || self.is_logged_in()).then(|| self.ntlm(wrapped))
            }
            Scheme::Digest => {
                let user = &self.lent()?.user;
                let session = Session::of(&self.offered)?;
                let fresh = true;
                session
                    .can_name(user)
                    .then_some(Step::Digest { session, fresh })
            }
            Scheme::Basic => basic::can_name(&self.lent()?.user).then_some(Step::Basic),
        }
    }

    fn passed(&mut self) {
        // What was let through without a question may never have been looked at.
        if self.asked == 0 && !self.is_proven() {
            self.unheard();
            (self.attempt, self.shown) = (None, None);
            self.step = Step::Ask;
            return;
        }
        if let Some(attempt) = self.attempt.take() {
            attempt.accepted();
        }
        if let Some(shown) = self.shown.take() {
            shown.accepted();
        }
        let learnt = match std::mem::replace(&mut self.step, Step::Ask) {
            // With a nonce of old, others count on meanwhile.
            Step::Ask | Step::Negotiate | Step::Digest { fresh: false, .. } => return,
            Step::Token(_) => Known::Negotiate,
            Step::Basic => Known::Basic,
            Step::Digest {
                session,
                fresh: true,
            } => Known::Digest(session),
            // Some let the first message pass: the connection is as good as logged in.
            Step::NtlmHello(wrapped)
            | Step::NtlmProof { wrapped, .. }
            | Step::User { wrapped, .. } => {
                self.step = Step::Bound;
                Known::Ntlm(wrapped)
            }
            Step::Bound => {
                self.step = Step::Bound;
                return;
            }
        };
        self.memory.learn(&self.upstream.authority(), learnt);
    }

    pub(super) fn refused(&mut self) -> DialError {
        let upstream = self.upstream.clone();
        if let Some(attempt) = self.attempt.take() {
            attempt.refused();
            return DialError::CredentialsRefused { upstream };
        }
        if let Some(shown) = self.shown.take() {
            shown.refused();
        }
        DialError::TicketRefused { upstream }
    }

    fn no_way(&self) -> DialError {
        if let (Some(detail), None) = (&self.no_token, self.lent()) {
            return DialError::NoTicket {
                upstream: self.upstream.clone(),
                detail: detail.clone(),
            };
        }
        let names: Vec<_> = self.offered.iter().map(|c| c.scheme.as_str()).collect();
        let offered = if names.is_empty() {
            "nothing".to_owned()
        } else {
            crate::http::printable(names.join(", ").as_bytes())
        };
        DialError::LoginImpossible {
            upstream: self.upstream.clone(),
            offered,
        }
    }
}
