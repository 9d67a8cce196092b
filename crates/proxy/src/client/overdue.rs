//! What is done about a client that takes too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pooling::timeouts::Due;
use wire::error_response::{ErrorFields, Severity};

use super::task::{ClientTask, End};
use crate::server::ServerConnection;

/// When a statement that goes on in spite of its cancellation is cancelled again.
const AGAIN: Duration = Duration::from_secs(1);

/// A statement is being cancelled since its time is over.
#[derive(Debug)]
pub(super) struct Interruption {
    /// The server has acted on the request, or it is given up.
    over: Arc<AtomicBool>,
    began: Instant,
}

impl Interruption {
    /// The request is on its way. What the client sends meanwhile must wait: the statement may end
    /// by itself, and the next one must not be cancelled in its place.
    pub(super) fn is_under_way(&self) -> bool {
        !self.over.load(Ordering::Acquire)
    }
}

impl ClientTask {
    /// The clock has rung: deals with what is over. Gives how the conversation ends, if it does.
    pub(super) fn overdue(&mut self, server: Option<&mut ServerConnection>) -> Option<End> {
        let now = Instant::now();
        let timeouts = self.client.pool.timeouts();
        let mut doing = self.client.doing();
        // A statement of a pipeline begins when the one before it has ended.
        doing.since = doing.since.max(self.session.last_finish().unwrap_or(doing.since));
        let due = timeouts.due(&doing, now)?;
        let (name, timeout) = match due {
            Due::Query => ("query_timeout", timeouts.query),
            Due::Transaction => ("transaction_timeout", timeouts.transaction),
            Due::IdleTransaction => ("idle_transaction_timeout", timeouts.idle_transaction),
            Due::ClientIdle => ("client_idle_timeout", timeouts.client_idle),
            // Told while it waits, or not at all.
            Due::WaitNotice => return None,
        };
        let seconds = timeout.unwrap_or_default().as_secs_f64();
        let hint = format!(
            "{name} is {seconds} s in pgweir's settings, where [users.NAME] can have a value of \
             its own."
        );
        let (sqlstate, message) = match due {
            Due::Query => {
                let message = format!("query_timeout: statement cancelled after {seconds} s");
                self.interrupt(server?, ErrorFields::error("57014", message).with_hint(hint), now);
                return None;
            }
            Due::Transaction => ("25P04", "terminating connection due to transaction timeout"),
            Due::IdleTransaction => {
                ("25P03", "terminating connection due to idle-in-transaction timeout")
            }
            _ => ("57P05", "terminating connection due to idle-session timeout"),
        };
        let error = ErrorFields::fatal(sqlstate, format!("{name}: {message}")).with_hint(hint);
        Some(End::TimedOut(Box::new(error)))
    }

    /// Cancels the statement that runs; the client gets `error` for it.
    fn interrupt(&mut self, server: &mut ServerConnection, error: ErrorFields, now: Instant) {
        let recent = self.interruption.as_ref().is_some_and(|interruption| {
            interruption.is_under_way() || now.duration_since(interruption.began) < AGAIN
        });
        if recent || self.session.server_is_quiet() {
            return;
        }
        tracing::info!(client = %self.client.id, pool = %self.client.pool.key,
            server = %server.id, "{}", error.message);
        self.session.interrupt(error);
        let over = Arc::new(AtomicBool::new(false));
        self.interruption = Some(Interruption { over: Arc::clone(&over), began: now });
        // Announced while this client holds the connection: it is not given on before that is over.
        let request = server.cancel.begin();
        let client = Arc::clone(&self.client);
        tokio::spawn(async move {
            client.pool.deliver(request).await;
            over.store(true, Ordering::Release);
            client.wake();
        });
    }

    /// What a client in the queue is told when it has waited for so long.
    pub(super) fn wait_notice(&self) -> Option<ErrorFields> {
        let timeouts = self.client.pool.timeouts();
        let due = timeouts.due(&self.client.doing(), Instant::now());
        (due == Some(Due::WaitNotice)).then(|| {
            let pool = &self.client.pool;
            let (text, hint) = match pool.last_failure() {
                _ if pool.is_paused() => (
                    "the database is paused: the query waits until it is resumed".to_owned(),
                    "RESUME in the admin console lets it go on",
                ),
                Some(failure) if pool.total() == 0 => (
                    format!("{failure}: the query waits until it can be reached"),
                    "pgweir tries again by itself; query_wait_timeout says for how long",
                ),
                _ => (
                    "no server connection is free: the query waits for one".to_owned(),
                    "SHOW POOLS and SHOW SERVERS in the admin console say what holds them",
                ),
            };
            let hint = format!("{hint}; query_wait_notify says when this notice is sent.");
            ErrorFields::new(Severity::Notice, "00000", text).with_hint(hint)
        })
    }
}
