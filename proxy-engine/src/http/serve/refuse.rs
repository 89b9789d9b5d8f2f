//! Answers of our own to requests that go no further.

use tokio::io::AsyncWriteExt;

use super::{After, Connection};
use crate::control::Problem;
use crate::dial::DialError;
use crate::http::answer::linger;
use crate::http::{Answer, Framing, RequestHead, forward};

impl Connection<'_> {
    /// No route could be had: says why, and goes on where the request had no body.
    pub(super) async fn fail(
        &mut self,
        head: &RequestHead,
        framing: Framing,
        error: &DialError,
    ) -> After {
        self.record.failed(error.problem());
        let close = framing != Framing::Empty || forward::request_closes(head);
        let answered = self
            .refuse_with(&Answer::from(error), head.is("HEAD"), close)
            .await;
        if answered && !close {
            After::Next
        } else {
            After::Linger
        }
    }

    pub(super) async fn bad_request(&mut self, head: &RequestHead, message: String) -> After {
        self.turn_down(head, Answer::new(400, message)).await
    }

    /// Answers a request that goes no further whatever the route, and closes.
    pub(super) async fn turn_down(&mut self, head: &RequestHead, answer: Answer) -> After {
        self.count_refusal(&answer);
        self.refuse_with(&answer, head.is("HEAD"), true).await;
        After::Linger
    }

    /// Answers what was no request, and closes.
    pub(super) async fn refuse(mut self, answer: Answer, to_head: bool) {
        self.count_refusal(&answer);
        self.refuse_with(&answer, to_head, true).await;
        linger(self.client.stream).await;
    }

    pub(super) fn count_refusal(&self, answer: &Answer) {
        let Answer { code, message, .. } = answer;
        tracing::debug!(client = %self.client.asker.client(), code, message, "refused");
        self.record.refused(Problem {
            code: (*code).into(),
            message: message.clone(),
        });
    }

    pub(super) async fn refuse_with(
        &mut self,
        answer: &Answer,
        to_head: bool,
        close: bool,
    ) -> bool {
        let text = answer.write(to_head, close);
        self.client.stream.write_all(&text).await.is_ok()
    }
}
