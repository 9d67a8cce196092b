//! Those who buy: they come, run statements, and leave, most of them in good order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::frames::{query, terminate};
use tokio::task::JoinSet;

use super::errands;
use super::shop::{DATABASES, Shop, USERS};
use crate::connection::{Connection, Trouble};

/// Names that workers of one kind have.
const WORKERS: u64 = 3;
/// Sessions at one time.
const AT_A_TIME: u64 = 64;
/// Those that stay for all of the time that the shop is open.
const STAFF: u64 = 24;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Statements of a session that comes and goes, on average.
const STATEMENTS: u32 = 20;

/// Everybody.
pub(super) fn start(shop: &Arc<Shop>, busy: &mut JoinSet<()>) {
    let (next, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    for _ in 0..AT_A_TIME {
        let (shop, next) = (Arc::clone(shop), Arc::clone(&next));
        busy.spawn(async move {
            while !shop.is_closed() {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs_f64(turn as f64 / shop.plan.connects_each_second());
                shop.sleep_until(began + due).await;
                if !shop.is_closed() {
                    Session::new(&shop, false).run().await;
                }
            }
        });
    }
    for _ in 0..STAFF {
        let shop = Arc::clone(shop);
        busy.spawn(async move {
            while !shop.is_closed() {
                Session::new(&shop, true).run().await;
                // Who is turned away does not come again at once.
                shop.sleep_until(Instant::now() + Duration::from_millis(200)).await;
            }
        });
    }
}

/// One session, from its login to its end.
pub(super) struct Session<'a> {
    pub(super) shop: &'a Shop,
    pub(super) rng: StdRng,
    pub(super) number: u64,
    stays: bool,
    pub(super) prepared: u32,
}

impl<'a> Session<'a> {
    fn new(shop: &'a Shop, stays: bool) -> Self {
        let number = shop.number();
        Self { shop, rng: StdRng::seed_from_u64(number), number, stays, prepared: 0 }
    }

    async fn run(mut self) {
        let trouble = match self.log_in().await {
            Ok(mut connection) => {
                self.shop.ledger.done("connects");
                self.shop.keys.lock().insert(self.number, connection.key.clone());
                let end = self.trade(&mut connection).await;
                self.shop.keys.lock().remove(&self.number);
                if end.is_ok() {
                    self.leave(connection).await;
                }
                end
            }
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = trouble {
            self.shop.ledger.trouble("a session", trouble);
        }
    }

    /// Its number among workers of its kind.
    pub(super) fn worker(&self) -> u64 {
        self.number % WORKERS
    }

    async fn log_in(&mut self) -> Result<Connection, Trouble> {
        let few = self.rng.random_range(0..10) < 8;
        let user = self.rng.random_range(0..if few { 4 } else { USERS });
        let database = match self.rng.random_range(0..10) {
            0 => DATABASES - 2,
            1 => DATABASES - 1,
            _ => self.rng.random_range(0..DATABASES - 2),
        };
        let (user, database) = (format!("buyer_{user}"), format!("tenant_{database}"));
        // As applications do that put a worker's number into their name. Kinds of clients are kept
        // apart until a restart, up to a limit: a day must not fill it, or memory would say nothing.
        let application = match self.rng.random_range(0..4) {
            0 => "web".to_owned(),
            1 => "worker".to_owned(),
            _ => format!("worker-{}", self.worker()),
        };
        let startup = [
            ("user", user.as_str()),
            ("database", database.as_str()),
            ("application_name", application.as_str()),
        ];
        Connection::log_in(self.shop.proxy().address(), &startup, PATIENCE).await
    }

    async fn trade(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        let most = if self.stays { u32::MAX } else { self.rng.random_range(1..STATEMENTS * 2) };
        let pause = if self.stays { shop_pace(self.shop, 50) } else { 8 };
        let mut done = 0;
        while done < most && !self.shop.is_closed() {
            errands::run(self, connection).await?;
            done += 1;
            let pause = Duration::from_millis(self.rng.random_range(0..=pause * 2));
            self.shop.sleep_until(Instant::now() + pause).await;
        }
        Ok(())
    }

    async fn leave(&mut self, mut connection: Connection) {
        match self.rng.random_range(0..20) {
            0 => {
                connection.send(&query("SELECT name FROM items, generate_series(1, 20)")).await;
                connection.abort();
            }
            1 => {
                connection.send(&query("BEGIN; UPDATE items SET price = price WHERE id = 1")).await;
                drop(connection);
            }
            2 => {
                let whole = query("SELECT 'of which only half is ever sent'");
                connection.send(&whole[..whole.len() / 2]).await;
                drop(connection);
            }
            _ => {
                connection.send(&terminate()).await;
                return;
            }
        }
        self.shop.ledger.done("abrupt leaves");
    }
}

/// Milliseconds at the plan's pace.
fn shop_pace(shop: &Shop, milliseconds: u64) -> u64 {
    milliseconds * 100 / shop.plan.pace.max(1)
}
