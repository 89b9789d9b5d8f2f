//! The log-in of a request, as far as it must come before the request itself.

use bytes::Bytes;

use super::Connection;
use super::asked::AskedFor;
use crate::dial::auth::{Heard, Login, Said};
use crate::dial::{ANSWER_TIMEOUT, DialError, final_answer, keep_alive};
use crate::http::exchange::{Hop, LeadsTo};
use crate::http::{Fields, RequestHead, drain, forward};

impl Connection<'_> {
    /// What the request says about who asks. One with a body waits until it need be said only once.
    pub(super) async fn prepare(
        &mut self,
        hop: &mut Hop,
        login: Option<&mut Login>,
        head: &RequestHead,
        has_body: bool,
        asked: &AskedFor,
    ) -> Result<Option<Said>, DialError> {
        let Some(login) = login else {
            return Ok(None);
        };
        login.settle().await?;
        while has_body && login.needs_rehearsal() {
            login.rehearse();
            match self.rehearse(hop, login, head, asked).await? {
                Heard::Passed => {
                    login.is_rehearsed();
                    login.settle().await?;
                    break;
                }
                Heard::Again | Heard::Elsewhere => login.settle().await?,
            }
        }
        login.say(&head.method, &asked.target(true)).await
    }

    /// Asks for the same thing without any content. The upstream stops that for want of a log-in;
    /// where it does not, HEAD changes nothing at the origin (RFC 9110, section 9.2.1).
    async fn rehearse(
        &self,
        hop: &mut Hop,
        login: &mut Login,
        head: &RequestHead,
        asked: &AskedFor,
    ) -> Result<Heard, DialError> {
        const METHOD: &[u8] = b"HEAD";
        let target = asked.target(true);
        let said = login.say(METHOD, &target).await?;
        let mut fields = Fields::default();
        if let Some(agent) = head.fields.first("user-agent") {
            fields.push("User-Agent", agent.to_vec());
        }
        let empty = RequestHead {
            method: Bytes::from_static(METHOD),
            target: target.clone(),
            is_1_0: false,
            fields,
        };
        let dialer = &self.core.dialer;
        let host = &asked.destination;
        let request = forward::request(empty, target, host, &dialer.pseudonym, said.as_ref());
        let limits = &self.core.limits;
        let answer = async {
            let written = hop.stream.send(&request).await;
            written.map_err(|error| error.to_string())?;
            final_answer(&mut hop.stream, &mut hop.read, dialer).await
        };
        let answer = match (
            tokio::time::timeout(ANSWER_TIMEOUT, answer).await,
            &hop.leads_to,
        ) {
            (Ok(Ok(answer)), _) => answer,
            (Ok(Err(detail)), LeadsTo::Upstream(upstream)) => {
                return Err(DialError::UpstreamAnswer {
                    upstream: upstream.clone(),
                    detail,
                });
            }
            (Err(_), LeadsTo::Upstream(upstream)) => {
                login.unheard();
                return Err(DialError::UpstreamTimeout {
                    upstream: upstream.clone(),
                });
            }
            // An origin is not logged in to.
            (_, LeadsTo::Origin(..)) => return Ok(Heard::Passed),
        };
        let follows = login.hear(&answer)?;
        let lives = drain(&mut hop.stream, &mut hop.read, &answer, METHOD, limits).await;
        let lives = lives && follows != Heard::Elsewhere && hop.stream.is_quiet();
        self.continues(hop, Some(login), lives).await?;
        Ok(follows)
    }

    /// Has the log-in go on over the hop, or over a new connection where that ended.
    pub(super) async fn continues(
        &self,
        hop: &mut Hop,
        login: Option<&mut Login>,
        lives: bool,
    ) -> Result<(), DialError> {
        if !lives && let LeadsTo::Upstream(upstream) = &hop.leads_to {
            if let Some(login) = login {
                login.reconnects()?;
            }
            hop.stream = self.core.dialer.call(upstream).await?;
            keep_alive(hop.stream.tcp());
            hop.read.clear();
            hop.bound = None;
        }
        Ok(())
    }
}
