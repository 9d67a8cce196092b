//! How many clients there may be: in all, of a database, of a user.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use pooling::quota::Scope;

use super::Shared;

/// Clients that there are.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: AtomicUsize,
    by_scope: Mutex<HashMap<Scope, u32>>,
}

/// One of `max_client_conn` places, from when the client has proved who it is: nobody takes places
/// away by beginning to log in.
pub(crate) struct Place(Arc<Shared>);

impl Place {
    /// Whether there is one; there may be none any more when it is taken.
    pub(crate) fn is_free(shared: &Shared, max: usize) -> bool {
        shared.places.taken.load(Ordering::Acquire) < max
    }

    /// None if all are taken.
    pub(crate) fn take(shared: &Arc<Shared>, max: usize) -> Option<Self> {
        let place = Self(Arc::clone(shared));
        (shared.places.taken.fetch_add(1, Ordering::AcqRel) < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A client's place among those of its database and its user, from when it has proved who it is:
/// nobody takes other users' places away by pretending to be one of them.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    scopes: [Scope; 2],
}

impl Seat {
    /// # Errors
    /// The scope that has no place left, with its maximum.
    pub(crate) fn take(
        shared: &Arc<Shared>,
        maxima: [(Scope, Option<u32>); 2],
    ) -> Result<Self, (Scope, u32)> {
        let mut counts = shared.places.by_scope.lock();
        for (scope, maximum) in &maxima {
            let count = counts.get(scope).copied().unwrap_or_default();
            if let Some(maximum) = maximum.filter(|maximum| count >= *maximum) {
                return Err((scope.clone(), maximum));
            }
        }
        let scopes = maxima.map(|(scope, _)| scope);
        for scope in &scopes {
            *counts.entry(scope.clone()).or_default() += 1;
        }
        drop(counts);
        Ok(Self { shared: Arc::clone(shared), scopes })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.shared.places.by_scope.lock();
        for scope in &self.scopes {
            if let Some(count) = counts.get_mut(scope) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(scope);
                }
            }
        }
    }
}
