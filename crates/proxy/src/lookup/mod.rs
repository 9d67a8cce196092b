//! auth_query: what the server knows of users that are not configured here.
//!
//! The questions go over a connection of their own, one for each server and auth_user, which is
//! closed soon after. Not over a pool's: a login must not wait for busy clients, and a connection
//! that clients have had might have more to say than pg_catalog.

mod query;
mod window;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use wire::auth::Secret;
use wire::error_response::ErrorFields;

use crate::hosts::Clusters;
use crate::login_settings::LookupTarget;
use crate::stream::ServerAddress;
use window::{Turn, Windows};
use worker::Question;

/// The secret of a user who may log in by password, or why that cannot be found out.
pub(crate) type Answer = Result<Option<Secret>, Box<ErrorFields>>;

/// Questions that wait for one server; more are turned away.
const MAX_WAITING: usize = 10_000;

/// Asks servers about users.
#[derive(Debug)]
pub(crate) struct Lookups {
    desks: Mutex<HashMap<Place, Arc<Desk>>>,
    clusters: Arc<Clusters>,
}

/// Whom to ask, in what words. There are as many as the configuration says.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place {
    hosts: Vec<ServerAddress>,
    database: String,
    user: String,
    query: Arc<str>,
}

#[derive(Debug)]
struct Desk {
    questions: mpsc::Sender<Question>,
    windows: Mutex<Windows>,
}

impl Lookups {
    pub(crate) fn new(clusters: Arc<Clusters>) -> Self {
        Self { desks: Mutex::default(), clusters }
    }

    /// Asks, or takes an answer that is not older than a second if the same was asked several times
    /// within that: so many logins of one user are few questions, and a changed password is known at
    /// once.
    ///
    /// Cancel-safe: the question is answered for whoever asks next.
    pub(crate) async fn ask(&self, target: LookupTarget, user: &str) -> Answer {
        let desk = self.desk(&target);
        let turn = desk.windows.lock().turn(user, Instant::now());
        let mut answer = match turn {
            Turn::Wait(answer) => answer,
            Turn::Ask(told, answer) => {
                let question = Question { user: user.to_owned(), target, told };
                if desk.questions.try_send(question).is_err() {
                    return Err(unavailable("too many logins wait to be checked"));
                }
                answer
            }
        };
        let answered = answer.wait_for(Option::is_some).await;
        match answered.as_deref() {
            Ok(Some(answer)) => answer.clone(),
            _ => Err(unavailable("the question was not answered")),
        }
    }

    /// Ends all connections when they are idle and forgets all answers.
    pub(crate) fn forget(&self) {
        self.desks.lock().clear();
    }

    fn desk(&self, target: &LookupTarget) -> Arc<Desk> {
        let LookupTarget { server, query, .. } = target;
        let place = Place {
            hosts: server.hosts.clone(),
            database: server.database.clone(),
            user: server.user.clone(),
            query: Arc::clone(query),
        };
        let mut desks = self.desks.lock();
        let desk = desks.entry(place).or_insert_with(|| {
            let (questions, asked) = mpsc::channel(MAX_WAITING);
            let cluster = self.clusters.of(&server.hosts);
            tokio::spawn(worker::serve(asked, cluster));
            Arc::new(Desk { questions, windows: Mutex::default() })
        });
        Arc::clone(desk)
    }
}

/// Where to leave an answer for all who wait for it.
type Told = watch::Sender<Option<Answer>>;

/// What clients are told whose password cannot be checked now. The log says more.
fn unavailable(why: &str) -> Box<ErrorFields> {
    let error = ErrorFields::fatal("08006", format!("cannot check who you are: {why}"));
    Box::new(error.with_hint("The server that knows the users could not be asked; try again."))
}
