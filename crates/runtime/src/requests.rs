//! A bounded queue of requests to the part that answers them: `requester ──Request──▶ answerer`. Each is answered at
//! most once.

use tokio::sync::{mpsc, oneshot};

/// A question and the channel for its answer.
#[derive(Debug)]
pub struct Request<Q, A> {
    question: Q,
    answer: oneshot::Sender<A>,
}

impl<Q, A> Request<Q, A> {
    /// The question, and the channel for its answer.
    pub fn into_parts(self) -> (Q, Answer<A>) {
        (self.question, Answer(self.answer))
    }

    /// Answers with the result of `answer`.
    pub fn answer_by(self, answer: impl FnOnce(Q) -> A) {
        let (question, to) = self.into_parts();
        to.send(answer(question));
    }
}

/// The channel for the answer to one question.
#[derive(Debug)]
pub struct Answer<A>(oneshot::Sender<A>);

impl<A> Answer<A> {
    /// Sends the answer. It is dropped if the requester no longer waits.
    pub fn send(self, answer: A) {
        let _ = self.0.send(answer);
    }
}

/// Receives requests.
pub type Requests<Q, A> = mpsc::Receiver<Request<Q, A>>;

/// Why a question got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Too many questions wait.
    #[error("too many requests at once")]
    Busy,
    /// The answering part has ended.
    #[error("the device is stopping")]
    Stopping,
}

/// Sends questions. Clones share it.
#[derive(Debug)]
pub struct Requester<Q, A>(mpsc::Sender<Request<Q, A>>);

impl<Q, A> Clone for Requester<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Requester<Q, A> {
    /// A requester, and the receiver of its requests; at most `max_waiting` wait.
    pub fn channel(max_waiting: usize) -> (Self, Requests<Q, A>) {
        let (sender, receiver) = mpsc::channel(max_waiting);
        (Self(sender), receiver)
    }

    /// Sends `question` and waits for the answer.
    ///
    /// # Errors
    /// Too many questions wait, or the answering part has ended.
    pub async fn ask(&self, question: Q) -> Result<A, Unanswered> {
        self.request(question)?.await.map_err(|_| Unanswered::Stopping)
    }

    /// As [`Requester::ask`], for a thread. Must not be called in an asynchronous task.
    ///
    /// # Errors
    /// As [`Requester::ask`].
    pub fn ask_blocking(&self, question: Q) -> Result<A, Unanswered> {
        self.request(question)?.blocking_recv().map_err(|_| Unanswered::Stopping)
    }

    fn request(&self, question: Q) -> Result<oneshot::Receiver<A>, Unanswered> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request { question, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
            mpsc::error::TrySendError::Closed(_) => Unanswered::Stopping,
        })?;
        Ok(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_once() {
        let (requester, mut requests) = Requester::channel(1);
        let answerer = tokio::spawn(async move {
            requests.recv().await.unwrap().answer_by(|question: u32| question + 1);
        });
        assert_eq!(requester.ask(41).await, Ok(42));
        answerer.await.unwrap();
        assert_eq!(requester.ask(41).await, Err(Unanswered::Stopping));
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (requester, _requests) = Requester::<u32, u32>::channel(1);
        requester.request(1).unwrap();
        assert_eq!(requester.ask_blocking(2), Err(Unanswered::Busy));
    }
}
