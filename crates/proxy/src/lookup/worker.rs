//! One connection that questions go over, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::ServerId;
use tokio::sync::mpsc;

use super::query::{self, Outcome};
use super::{Answer, Told, unavailable};
use crate::error::{ProxyError, names};
use crate::hosts::Cluster;
use crate::login_settings::LookupTarget;
use crate::server::ServerConnection;

/// How long the connection stays open after a question.
const IDLE: Duration = Duration::from_secs(5);
/// After a server could not be reached, those who ask are told so at once for so long.
const PAUSE: Duration = Duration::from_millis(500);
/// The log tells of the same trouble so often.
const REMIND: Duration = Duration::from_secs(60);

/// A question, and where the answer goes.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) user: String,
    pub(super) target: LookupTarget,
    pub(super) told: Told,
}

/// Answers questions until nobody can ask any more.
pub(super) async fn serve(mut questions: mpsc::Receiver<Question>, cluster: Arc<Cluster>) {
    let mut worker = Worker { cluster, connection: None, unreachable_until: None, warned: None };
    loop {
        match tokio::time::timeout(IDLE, questions.recv()).await {
            Ok(Some(Question { user, target, told })) => {
                let answer = worker.answer(&target, &user).await;
                // Those who asked may have left.
                told.send_replace(Some(answer));
            }
            Ok(None) => break,
            Err(_) => worker.hang_up().await,
        }
    }
    worker.hang_up().await;
}

struct Worker {
    cluster: Arc<Cluster>,
    connection: Option<ServerConnection>,
    unreachable_until: Option<Instant>,
    warned: Option<Instant>,
}

impl Worker {
    async fn answer(&mut self, target: &LookupTarget, user: &str) -> Answer {
        let now = Instant::now();
        if self.unreachable_until.is_some_and(|until| now < until) {
            return Err(unavailable("the server does not answer"));
        }
        let patience = target.timeout;
        let asked = tokio::time::timeout(patience, self.ask(target, user)).await;
        let asked = asked.unwrap_or(Err(ProxyError::TimedOut("auth_query")));
        match asked {
            Ok(Outcome::Secret(secret)) => Ok(secret),
            // As good as no user: whoever is configured logs in, and nobody else.
            Ok(Outcome::Refused(error)) => {
                self.warn(target, &format!("{} (SQLSTATE {})", error.message, error.sqlstate()));
                Ok(None)
            }
            Ok(Outcome::Strange(what)) => {
                self.warn(target, what);
                Ok(None)
            }
            Err(error) => {
                self.connection = None;
                self.unreachable_until = Some(Instant::now() + PAUSE);
                self.warn(target, &error.to_string());
                Err(unavailable("the server does not answer"))
            }
        }
    }

    /// Asks over the connection that is there; over a new one if that has died meanwhile.
    async fn ask(&mut self, target: &LookupTarget, user: &str) -> Result<Outcome, ProxyError> {
        if let Some(connection) = &mut self.connection {
            match query::ask(connection, &target.query, user).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => tracing::debug!("auth_query's connection was lost: {error}"),
            }
            self.connection = None;
        }
        let mut connection = self.cluster.connect(&target.upstream(), ServerId(0)).await?;
        query::prepare(&mut connection).await?;
        let outcome = query::ask(&mut connection, &target.query, user).await?;
        self.connection = Some(connection);
        Ok(outcome)
    }

    fn warn(&mut self, target: &LookupTarget, why: &str) {
        let now = Instant::now();
        if self.warned.is_some_and(|warned| now.duration_since(warned) < REMIND) {
            return;
        }
        self.warned = Some(now);
        let (server, user) = (names(&target.server.hosts), &target.server.user);
        tracing::warn!(%server, auth_user = user,
            "users that are not configured cannot log in: auth_query failed: {why}");
    }

    async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}
