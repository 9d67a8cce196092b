//! SCRAM verifiers of users whose password is known: making one costs milliseconds, so each is made
//! once, and no more of them at a time than leave the machine to clients that are at work.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use wire::auth::{DEFAULT_ITERATIONS, MockSeed, ScramVerifier, Secret};

use crate::error::ProxyError;

/// Kept at most.
const CAPACITY: usize = 10_000;

#[derive(Clone, Debug)]
pub(super) struct Verifiers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    seed: MockSeed,
    /// By user: the password that it was made from, and the verifier.
    made: Mutex<HashMap<String, (String, ScramVerifier)>>,
    /// Key derivations that may run at a time.
    turns: Semaphore,
}

impl Verifiers {
    pub(super) fn new(seed: MockSeed) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Semaphore::new((cores / 2).max(1));
        Self(Arc::new(Inner { seed, made: Mutex::default(), turns }))
    }

    /// The verifier of a user with this password. Cancel-safe.
    pub(super) async fn of(&self, user: &str, password: &str) -> Result<ScramVerifier, ProxyError> {
        if let Some(verifier) = self.0.get(user, password) {
            return Ok(verifier);
        }
        let (this, user, password) = (self.clone(), user.to_owned(), password.to_owned());
        self.derive(move || this.0.make(&user, &password)).await
    }

    /// Runs a key derivation on a thread of its own, when it is its turn. Cancel-safe.
    pub(super) async fn derive<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProxyError> {
        let this = self.clone();
        // Waits before it takes a thread: others need threads too.
        let _turn = this.0.turns.acquire().await.map_err(|_| ProxyError::Closed)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| ProxyError::Closed)
    }

    /// Makes the verifiers of these users in the background, so that nobody's first login takes
    /// longer than that of a user who does not exist.
    pub(super) fn prepare(&self, users: &HashMap<String, Secret>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let plain: Vec<(String, String)> = users
            .iter()
            .filter_map(|(user, secret)| match secret {
                Secret::Plain(password) => Some((user.clone(), password.clone())),
                Secret::Md5(_) | Secret::Scram(_) => None,
            })
            .take(CAPACITY)
            .collect();
        let this = self.clone();
        runtime.spawn(async move {
            for (user, password) in plain {
                let _ = this.of(&user, &password).await;
            }
        });
    }
}

impl Inner {
    fn get(&self, user: &str, password: &str) -> Option<ScramVerifier> {
        let made = self.made.lock();
        let (made_from, verifier) = made.get(user)?;
        (made_from == password).then(|| verifier.clone())
    }

    fn make(&self, user: &str, password: &str) -> ScramVerifier {
        // Of many that came at once, the first has made it meanwhile.
        if let Some(verifier) = self.get(user, password) {
            return verifier;
        }
        let salt = self.seed.salt(user);
        let verifier = ScramVerifier::from_password(password.as_bytes(), &salt, DEFAULT_ITERATIONS);
        let mut made = self.made.lock();
        if made.len() >= CAPACITY {
            made.clear();
        }
        made.insert(user.to_owned(), (password.to_owned(), verifier.clone()));
        verifier
    }
}
