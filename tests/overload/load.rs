//! Load that is offered, whatever becomes of it: clients come by chance and do not wait for those
//! before them (an open loop). Times count from when a client came, not from when it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use testkit::frames::{self, ErrorFields};

use crate::connection::Connection;

/// An application's connections, and what it asks.
pub(crate) struct Application {
    idle: Arc<Mutex<Vec<Connection>>>,
    query: Arc<[u8]>,
    clients: usize,
}

/// What became of what was offered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// How long those took that were served.
    pub(crate) served: Vec<Duration>,
    /// How long those took that were refused.
    pub(crate) refused: Vec<Duration>,
    /// Those for whom the application had no connection left.
    pub(crate) unsent: usize,
    /// What was neither an answer nor a refusal for too much to do.
    pub(crate) wrong: Vec<String>,
    time: Duration,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.served.len() as f64 / self.time.as_secs_f64()
    }

    pub(crate) fn offered(&self) -> usize {
        self.served.len() + self.refused.len() + self.unsent
    }
}

/// What this part of them did not take longer than, in milliseconds.
pub(crate) fn quantile_ms(times: &[Duration], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() as f64 * part) as usize;
    let found = sorted.get(index.min(sorted.len().saturating_sub(1)));
    found.copied().unwrap_or_default().as_secs_f64() * 1e3
}

impl Application {
    /// Logs in its clients.
    pub(crate) async fn open(
        address: SocketAddr,
        (database, name): (&str, &str),
        clients: usize,
        statement: Duration,
    ) -> Self {
        let mut idle = Vec::new();
        for _ in 0..clients {
            idle.push(Connection::open(address, database, name).await);
        }
        let sql = format!("SELECT pg_sleep({})", statement.as_secs_f64());
        Self { idle: Arc::new(Mutex::new(idle)), query: frames::query(&sql).into(), clients }
    }

    /// As much as there can be: `clients` that ask again as soon as they have their answer. Gives
    /// how many are served a second.
    pub(crate) async fn saturate(&self, clients: usize, time: Duration) -> f64 {
        let end = Instant::now() + time;
        let running: Vec<_> = (0..clients)
            .map(|_| {
                let (idle, query) = (Arc::clone(&self.idle), Arc::clone(&self.query));
                tokio::spawn(async move {
                    let mut connection = idle.lock().pop().unwrap();
                    let mut served = 0;
                    while Instant::now() < end {
                        let error = connection.exchange(&query).await.unwrap();
                        // Refused, perhaps, while a cold pool still opens its connections.
                        let code = error.as_ref().map(ErrorFields::sqlstate);
                        assert!(matches!(code, None | Some("53300")), "{error:?}");
                        served += i32::from(code.is_none());
                    }
                    idle.lock().push(connection);
                    served
                })
            })
            .collect();
        let mut served = 0;
        for client in running {
            served += client.await.unwrap();
        }
        f64::from(served) / time.as_secs_f64()
    }

    /// Offers so much for so long, and measures after `warm_up`; returns when all have their answer.
    pub(crate) async fn offer(
        &self,
        per_second: f64,
        warm_up: Duration,
        time: Duration,
    ) -> Measured {
        let measured = Arc::new(Mutex::new(Measured { time, ..Measured::default() }));
        let began = Instant::now();
        let mut next = began;
        // A timer has a resolution of a millisecond: all that came in it are sent together.
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while next < began + warm_up + time {
            tick.tick().await;
            while next <= Instant::now() && next < began + warm_up + time {
                let counts = next >= began + warm_up;
                self.send(next, counts.then(|| Arc::clone(&measured)));
                let chance: f64 = rand::random_range(f64::EPSILON..1.0);
                next += Duration::from_secs_f64(-chance.ln() / per_second);
            }
        }
        let deadline = Instant::now() + Duration::from_secs(90);
        while self.idle.lock().len() < self.clients && Instant::now() < deadline {
            tick.tick().await;
        }
        std::mem::take(&mut *measured.lock())
    }

    /// One client that came then.
    fn send(&self, came: Instant, measured: Option<Arc<Mutex<Measured>>>) {
        let Some(mut connection) = self.idle.lock().pop() else {
            if let Some(measured) = measured {
                measured.lock().unsent += 1;
            }
            return;
        };
        let (idle, query) = (Arc::clone(&self.idle), Arc::clone(&self.query));
        tokio::spawn(async move {
            let answer = connection.exchange(&query).await;
            let took = came.elapsed();
            // One that is lost is missed at the end.
            let is_lost = answer.is_err();
            if let Some(measured) = measured {
                let mut measured = measured.lock();
                match answer {
                    Ok(None) => measured.served.push(took),
                    Ok(Some(error)) if error.sqlstate() == "53300" => measured.refused.push(took),
                    Ok(Some(error)) => measured.wrong.push(error.to_string()),
                    Err(error) => measured.wrong.push(error),
                }
            }
            if !is_lost {
                idle.lock().push(connection);
            }
        });
    }
}
