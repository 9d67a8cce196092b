//! The rest of the time of a process that another has taken over from: its clients leave, and what it
//! still measures is written.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use proxy::{MovingClient, Passage, Proxy};
use store::Loan;
use tokio::sync::{Mutex, mpsc};

use super::Message;
use super::link::Link;
use crate::run::history::Past;

/// Clients that wait for their turn to be handed over.
const WAITING: usize = 64;
/// How long the successor may take to lend the history.
const LOAN: Duration = Duration::from_secs(30);
/// How often what is measured here is written. Memory has an hour of it.
const WRITE: Duration = Duration::from_secs(20 * 60);

/// What is said to the successor from now on.
pub(super) struct Parting {
    link: Link,
    /// What it answers. Whoever asks holds this until there is one.
    answers: Mutex<mpsc::Receiver<Message>>,
    /// The history, which is the successor's.
    loan: Mutex<Option<Loan>>,
    past: Past,
}

impl Parting {
    /// Hands over the proxy's clients, in tasks of their own that end with the link or the process.
    pub(super) fn begin(
        link: Link,
        loan: Option<Loan>,
        past: Past,
        proxy: &Proxy,
        limit: Duration,
    ) -> Arc<Self> {
        let (answered, answers) = mpsc::channel(4);
        let (passages, wanted) = mpsc::channel(WAITING);
        let (answers, loan) = (Mutex::new(answers), Mutex::new(loan));
        let this = Arc::new(Self { link, answers, loan, past });
        tokio::spawn(Arc::clone(&this).listen(answered, proxy.clone()));
        tokio::spawn(Arc::clone(&this).ferry(wanted));
        tokio::spawn(Arc::clone(&this).write_now_and_then());
        proxy.hand_over(passages, limit);
        this
    }

    async fn listen(self: Arc<Self>, answered: mpsc::Sender<Message>, proxy: Proxy) {
        loop {
            match self.link.receive().await {
                Ok(Some((Message::Cancel { process_id, key }, _))) => {
                    let proxy = proxy.clone();
                    // It may have to wait until the request is through.
                    tokio::spawn(async move { proxy.cancel((process_id, key)).await });
                }
                Ok(Some((message, _))) => {
                    // Nobody asks any more: then there is no answer to wait for.
                    let _ = answered.send(message).await;
                }
                Ok(None) => return tracing::warn!("takeover: the successor has ended"),
                Err(error) => return tracing::warn!("takeover: the successor: {error}"),
            }
        }
    }

    /// Says something and waits for the answer; none if the successor is gone.
    /// Not cancel-safe: dropped, the answer would be taken for that of the next question.
    async fn ask(&self, message: &Message, sockets: &[BorrowedFd<'_>]) -> Option<Message> {
        let mut answers = self.answers.lock().await;
        self.link.send(message, sockets).await.ok()?;
        answers.recv().await
    }

    /// One client after the other. One that the successor does not take goes on here.
    async fn ferry(self: Arc<Self>, mut wanted: mpsc::Receiver<Passage>) {
        let mut moved = 0_u64;
        while let Some(Passage { client, taken }) = wanted.recv().await {
            let MovingClient { memento, socket } = client;
            let message = Message::Client(Box::new(memento));
            let answer = self.ask(&message, &[socket.as_fd()]).await;
            let is_taken = matches!(answer, Some(Message::Taken));
            moved += u64::from(is_taken);
            tracing::debug!(moved, is_taken, "takeover: a client");
            // Gone meanwhile: then it has it all the same.
            let _ = taken.send(is_taken);
        }
    }

    async fn write_now_and_then(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WRITE).await;
            self.write_history(false).await;
        }
    }

    /// Borrows the history back for as long as it takes to write what was measured here. `last`: no
    /// more will be.
    pub(super) async fn write_history(&self, last: bool) {
        let mut loan = self.loan.lock().await;
        let asked = self.ask(&Message::BorrowHistory, &[]);
        let answer = match last {
            // Nothing is asked after that.
            true => tokio::time::timeout(LOAN, asked).await.ok().flatten(),
            false => asked.await,
        };
        let is_lent = matches!(answer, Some(Message::HistoryLent));
        if !is_lent {
            tracing::warn!("takeover: the successor does not lend the history");
        }
        if last {
            // Taken back, written, closed.
            *loan = None;
            self.past.close().await;
        } else if is_lent && let Some(history) = &self.past.history {
            *loan = None;
            *loan = history.lend().await.ok();
        }
        let _ = self.link.send(&Message::HistoryReturned, &[]).await;
    }

    /// Frees the history at the word of the process before this one: it is the successor's to lend.
    /// Whether it is free.
    pub(super) async fn borrow_history(&self) -> bool {
        matches!(self.ask(&Message::BorrowHistory, &[]).await, Some(Message::HistoryLent))
    }

    /// What [`Self::borrow_history`] freed is given back.
    pub(super) async fn return_history(&self) {
        let _ = self.link.send(&Message::HistoryReturned, &[]).await;
    }
}
