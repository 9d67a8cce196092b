//! A client: it does one thing after the other, and trusts no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::ErrorFields;
use testkit::frames;

use crate::connection::{Answer, Connection, Trouble};
use crate::ledger::Incident;
use crate::stage::Stage;

/// What comes of an activity. Whatever went wrong is told by the trouble.
pub(crate) type Done = Result<(), Trouble>;

/// In what a client is caught when its server is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    Statement,
    Block,
    Pinned,
}

/// One client.
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) stage: Arc<Stage>,
    pub(crate) rng: StdRng,
    connection: Option<Connection>,
    sequence: u64,
    /// Statements that it has prepared, by number.
    pub(crate) prepared: BTreeSet<u32>,
    /// Settings that it has made, against what a fresh session has.
    pub(crate) settings: BTreeMap<&'static str, String>,
    /// Settings of its startup packet: RESET returns to these.
    startup: BTreeMap<&'static str, String>,
    exposed: Option<(Exposure, Instant)>,
    sent: Instant,
    /// How many answers will come depends on where an error hits.
    answers_vary: bool,
}

impl Client {
    pub(crate) fn new(number: usize, stage: Arc<Stage>) -> Self {
        let rng = StdRng::seed_from_u64(stage.plan.seed.wrapping_mul(1_000_003) + number as u64);
        Self {
            number,
            stage,
            rng,
            connection: None,
            sequence: 0,
            prepared: BTreeSet::new(),
            settings: BTreeMap::new(),
            startup: BTreeMap::new(),
            exposed: None,
            sent: Instant::now(),
            answers_vary: false,
        }
    }

    /// Works until the run is over, then leaves in good order.
    pub(crate) async fn run(mut self) {
        while !self.stage.is_over() {
            let activity = self.choose();
            let done = match self.connect().await {
                Ok(()) => self.perform(activity).await,
                Err(trouble) => Err(trouble),
            };
            match done {
                Ok(()) => self.stage.ledger.done(activity),
                Err(trouble) => self.recover(activity, trouble).await,
            }
            self.think().await;
        }
        if let Some(mut connection) = self.connection.take() {
            connection.send(&frames::terminate()).await;
        }
    }

    async fn think(&mut self) {
        let pause = self.rng.random_range(0..=self.stage.plan.think_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    async fn connect(&mut self) -> Done {
        if self.connection.is_some() {
            return Ok(());
        }
        self.forget();
        self.sent = Instant::now();
        let mut startup = BTreeMap::new();
        if self.rng.random_bool(0.5) {
            startup.insert("application_name", format!("chaos-{}", self.number));
        }
        if self.rng.random_bool(0.2) {
            startup.insert("TimeZone", "Asia/Tokyo".to_owned());
        }
        let mut packet = vec![("user", "web_trust"), ("database", self.stage.database.as_str())];
        packet.extend(startup.iter().map(|(name, value)| (*name, value.as_str())));
        let detour = self.number % 5 == 4;
        let address = if detour { self.stage.detour } else { self.stage.pgweir };
        let connection = Connection::log_in(address, &packet, self.stage.plan.patience).await?;
        self.stage.keys[self.number].lock().0 = Some(connection.key.clone());
        self.connection = Some(connection);
        self.settings = startup.clone();
        self.startup = startup;
        Ok(())
    }

    /// A new session has nothing of the old one.
    fn forget(&mut self) {
        self.prepared.clear();
        self.settings.clear();
        self.exposed = None;
        self.answers_vary = false;
        self.stage.keys[self.number].lock().0 = None;
    }

    /// What nobody else has ever sent.
    pub(crate) fn token(&mut self) -> String {
        self.sequence += 1;
        format!("c{}n{}r{:08x}", self.number, self.sequence, self.rng.random::<u32>())
    }

    /// A number that nobody else has ever sent.
    pub(crate) fn fresh_number(&mut self) -> u64 {
        self.sequence += 1;
        self.number as u64 * 1_000_000_000 + self.sequence
    }

    pub(crate) fn connection(&mut self) -> Result<&mut Connection, Trouble> {
        self.connection.as_mut().ok_or(Trouble::Closed(None))
    }

    /// Gives up the connection, to be closed in some bad way.
    pub(crate) fn take_connection(&mut self) -> Result<Connection, Trouble> {
        let connection = self.connection.take().ok_or(Trouble::Closed(None));
        self.forget();
        connection
    }

    /// Until [`Client::in_step`], an error may come with more answers behind it.
    pub(crate) fn out_of_step(&mut self) {
        self.answers_vary = true;
    }

    pub(crate) fn in_step(&mut self) {
        self.answers_vary = false;
    }

    /// Reads past the answers to what was sent behind the statement that failed.
    async fn catch_up(&mut self) -> Done {
        let token = self.token();
        self.connection()?.send(&frames::query(&format!("ROLLBACK; SELECT '{token}'"))).await;
        for _ in 0..4 {
            let answer = self.connection()?.until_ready().await?;
            if answer.rows.last().is_some_and(|row| *row == [token.as_str()]) {
                self.in_step();
                return Ok(());
            }
        }
        Err(Trouble::Wrong("no end of answers after an error".to_owned()))
    }

    /// From now on the client is lost with its server.
    pub(crate) fn expose(&mut self, exposure: Exposure) {
        self.exposed.get_or_insert((exposure, Instant::now()));
    }

    pub(crate) fn covered(&mut self) {
        self.exposed = None;
    }

    /// RESET ALL and DISCARD ALL return to this.
    pub(crate) fn reset_settings(&mut self) {
        self.settings = self.startup.clone();
    }

    /// Sends and awaits the answer, whatever it is.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer, Trouble> {
        self.sent = Instant::now();
        let answer = self.connection()?.exchange(request).await?;
        self.stage.ledger.answered();
        Ok(answer)
    }

    /// Sends what must succeed with these message types and these values in the first columns.
    pub(crate) async fn expect(
        &mut self,
        request: &[u8],
        kinds: &str,
        values: &[&str],
    ) -> Result<Answer, Trouble> {
        let answer = self.ask(request).await?;
        self.compare(request, answer, kinds, values)
    }

    pub(crate) fn compare(
        &self,
        request: &[u8],
        mut answer: Answer,
        kinds: &str,
        values: &[&str],
    ) -> Result<Answer, Trouble> {
        if let Some(error) = answer.error.take() {
            return Err(self.judge(error));
        }
        let firsts = answer.rows.iter().map(|row| row.first().map_or("", String::as_str));
        if answer.kinds != kinds || !firsts.clone().eq(values.iter().copied()) {
            let got: Vec<_> = firsts.map(|value| cut(value.as_bytes())).collect();
            return Err(Trouble::Wrong(format!(
                "to {} came {} {got:?} instead of {kinds} {values:.60?}",
                cut(request),
                answer.kinds
            )));
        }
        Ok(answer)
    }

    /// Sends a simple query that must succeed with these tags, or answer these values.
    pub(crate) async fn run_sql(&mut self, sql: &str, tags: &[&str]) -> Done {
        let request = frames::query(sql);
        let kinds = format!("{}Z", "C".repeat(tags.len()));
        let answer = self.expect(&request, &kinds, &[]).await?;
        if answer.tags == tags {
            return Ok(());
        }
        Err(Trouble::Wrong(format!("to {sql} came {:?} instead of {tags:?}", answer.tags)))
    }

    /// Sends what must be refused with this SQLSTATE.
    pub(crate) async fn expect_error(
        &mut self,
        request: &[u8],
        state: &str,
    ) -> Result<Answer, Trouble> {
        let answer = self.ask(request).await?;
        match &answer.error {
            Some(error) if error.sqlstate() == state => Ok(answer),
            Some(error) => Err(self.judge(error.clone())),
            None => Err(Trouble::Wrong(format!(
                "to {} came {} instead of an error {state}",
                cut(request),
                answer.kinds
            ))),
        }
    }

    /// An error that was not asked for. A cancelled query of a client that nobody cancelled is
    /// somebody else's cancel request.
    fn judge(&self, error: ErrorFields) -> Trouble {
        let ours = ["57014", "25P01", "26000", "42P05", "42P01", "42P07", "34000", "08P01"];
        let cancelled = self.stage.may_be_cancelled(self.number, self.sent);
        if ours.contains(&error.sqlstate()) && !(error.sqlstate() == "57014" && cancelled) {
            return Trouble::Wrong(format!("an error that is not ours: {error}"));
        }
        Trouble::Refused(error)
    }

    /// Writes down what went wrong, and gets back to a state to go on from.
    async fn recover(&mut self, activity: &'static str, trouble: Trouble) {
        let at = Instant::now();
        let trouble = match trouble {
            Trouble::Closed(Some(error)) => match self.judge(error) {
                Trouble::Refused(error) => Trouble::Closed(Some(error)),
                wrong => wrong,
            },
            other => other,
        };
        let goes_on = matches!(trouble, Trouble::Refused(_));
        let login = self.connection.is_none();
        let (exposure, since) = match self.exposed {
            _ if login => ("login", self.sent),
            None | Some((Exposure::Statement, _)) => ("statement", self.sent),
            Some((Exposure::Block, since)) => ("block", since),
            Some((Exposure::Pinned, since)) => ("pinned", since),
        };
        let (state, message) = match trouble {
            Trouble::Refused(error) => (error.sqlstate().to_owned(), error.to_string()),
            Trouble::Closed(Some(error)) => {
                (format!("{} closed", error.sqlstate()), error.to_string())
            }
            Trouble::Closed(None) => ("closed".to_owned(), String::new()),
            Trouble::Silent(before) => {
                let what = format!("client {} in {activity} ({exposure}) {before:?}", self.number);
                self.stage.ledger.stuck.lock().push(what);
                self.connection = None;
                return;
            }
            Trouble::Wrong(what) => {
                let what = format!("client {} in {activity} ({exposure}): {what}", self.number);
                self.stage.ledger.wrong.lock().push(what);
                self.connection = None;
                return;
            }
        };
        let client = self.number;
        let incident = Incident { client, activity, state, message, exposure, since, at };
        self.stage.ledger.incidents.lock().push(incident);
        if !goes_on {
            self.connection = None;
            return;
        }
        if let Err(again) = self.tidy_up().await {
            // The next fault came at once.
            if let Trouble::Wrong(what) = again {
                self.stage.ledger.wrong.lock().push(format!("client {client} tidying up: {what}"));
            }
            self.connection = None;
        }
    }

    /// After an error: out of the block, and rid of what pins.
    async fn tidy_up(&mut self) -> Done {
        if self.answers_vary {
            self.catch_up().await?;
        }
        if self.connection()?.status != b'I' {
            self.run_sql("ROLLBACK", &["ROLLBACK"]).await?;
        }
        if self.exposed.is_some_and(|(exposure, _)| exposure == Exposure::Pinned) {
            self.discard().await?;
        }
        self.covered();
        Ok(())
    }

    /// DISCARD ALL: nothing is left of the session.
    pub(crate) async fn discard(&mut self) -> Done {
        self.run_sql("DISCARD ALL", &["DISCARD ALL"]).await?;
        self.prepared.clear();
        self.reset_settings();
        self.covered();
        Ok(())
    }
}

/// The beginning of a text that may be long.
pub(crate) fn cut(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(240)]).into_owned()
}
