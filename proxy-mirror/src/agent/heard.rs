//! A question that may take long: asked to its end, its last answer kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// Whoever is asked and says nothing for so long is not going to.
const LIMIT: Duration = Duration::from_mins(1);

/// What was last heard of something.
#[derive(Debug, Clone)]
pub(super) struct Heard<T> {
    state: watch::Sender<State<T>>,
    late: Arc<Notify>,
}

#[derive(Debug)]
struct State<T> {
    last: Option<T>,
    /// Questions that have ended.
    ended: u64,
    running: bool,
    /// Somebody asked while one was running, which may have seen less than there is now.
    again: bool,
}

impl<T: Clone + PartialEq + Send + Sync + 'static> Heard<T> {
    /// Nothing yet. `late` is told of every new answer that nobody waited for any more.
    pub(super) fn new(late: Arc<Notify>) -> Self {
        let state = State {
            last: None,
            ended: 0,
            running: false,
            again: false,
        };
        Self {
            state: watch::Sender::new(state),
            late,
        }
    }

    /// Asks, waits at most `patience` for the answer, and gives the last that there is; `None` where
    /// there was never one. A question without an answer (`None`) leaves the one before.
    pub(super) async fn ask<F>(
        &self,
        patience: Duration,
        question: impl Fn() -> F + Send + 'static,
    ) -> Option<T>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut ends = self.state.subscribe();
        let (mut begins, mut end) = (false, 0);
        self.state.send_if_modified(|state| {
            begins = !state.running;
            end = state.ended + if begins { 1 } else { 2 };
            (state.running, state.again) = (true, !begins);
            false
        });
        if begins {
            tokio::spawn(self.clone().carry_out(question));
        }
        let ended = ends.wait_for(|state| state.ended >= end);
        // Late: what was heard before holds meanwhile.
        let _ = tokio::time::timeout(patience, ended).await;
        drop(ends);
        self.state.borrow().last.clone()
    }

    async fn carry_out<F>(self, question: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let mut goes_on = true;
        while goes_on {
            // In a task of its own: one that panics is one without an answer.
            let mut asked = tokio::spawn(question());
            let answer = match tokio::time::timeout(LIMIT, &mut asked).await {
                Ok(answer) => answer.ok().flatten(),
                Err(_elapsed) => {
                    asked.abort();
                    None
                }
            };
            let mut is_news = false;
            self.state.send_modify(|state| {
                is_news = answer.is_some() && answer != state.last;
                if is_news {
                    state.last = answer;
                }
                state.ended += 1;
                goes_on = std::mem::take(&mut state.again);
                state.running = goes_on;
            });
            // Who still waits reads the answer; who does not any more is told.
            if is_news && self.state.receiver_count() == 0 {
                self.late.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    /// For what a test waits for at most.
    const FOR_SURE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn an_answer_that_comes_late_is_kept_and_told() {
        let late = Arc::new(Notify::new());
        let heard = Heard::new(Arc::clone(&late));
        let first = heard.ask(FOR_SURE, || async { Some("docker0") });
        assert_eq!(first.await, Some("docker0"));
        let (answer, question) = oneshot::channel();
        let question = Mutex::new(Some(question));
        let ask = move || {
            let question = question.lock().unwrap().take().expect("it is asked once");
            async move { question.await.ok() }
        };
        assert_eq!(heard.ask(SOON, ask).await, Some("docker0"));
        answer.send("br-internal").unwrap();
        tokio::time::timeout(FOR_SURE, late.notified())
            .await
            .unwrap();
        // Docker is gone: what it said holds.
        let last = heard.ask(FOR_SURE, || async { None });
        assert_eq!(last.await, Some("br-internal"));
    }

    #[tokio::test]
    async fn what_changes_while_a_question_runs_is_asked_for_again() {
        let heard = Heard::new(Arc::new(Notify::new()));
        let (tell, answers) = mpsc::unbounded_channel();
        let answers = Arc::new(tokio::sync::Mutex::new(answers));
        let ask = move || {
            let answers = Arc::clone(&answers);
            async move { answers.lock().await.recv().await }
        };
        assert_eq!(heard.ask(SOON, ask.clone()).await, None);
        tell.send("of before").unwrap();
        tell.send("of now").unwrap();
        assert_eq!(heard.ask(FOR_SURE, ask).await, Some("of now"));
    }
}
