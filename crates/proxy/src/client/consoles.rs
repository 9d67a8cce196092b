//! Connections of the admin console, as far as cancel requests are concerned.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use parking_lot::Mutex;
use subtle::ConstantTimeEq;

/// How many numbers they take turns with, far from those of clients, which count from 1.
const NUMBERS: i32 = 1 << 20;

/// All connections of the admin console.
#[derive(Debug, Default)]
pub(crate) struct Consoles {
    next: AtomicI32,
    by_process_id: Mutex<HashMap<i32, Console>>,
}

#[derive(Debug)]
struct Console {
    key: [u8; 4],
    cancelled: Arc<AtomicBool>,
}

/// A connection's place among them. Dropped, it is given up.
#[derive(Debug)]
pub(crate) struct Entered {
    consoles: Arc<Consoles>,
    process_id: i32,
    key: [u8; 4],
    cancelled: Arc<AtomicBool>,
}

impl Consoles {
    /// A new connection.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        let number = self.next.fetch_add(1, Ordering::Relaxed).rem_euclid(NUMBERS);
        let (process_id, key) = (i32::MAX - number, rand::random());
        let cancelled = Arc::new(AtomicBool::new(false));
        let console = Console { key, cancelled: Arc::clone(&cancelled) };
        self.by_process_id.lock().insert(process_id, console);
        Entered { consoles: Arc::clone(self), process_id, key, cancelled }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_process_id.lock().is_empty()
    }

    /// A cancel request; the key is compared in constant time.
    pub(crate) fn cancel(&self, process_id: i32, key: &[u8]) {
        if let Some(console) = self.by_process_id.lock().get(&process_id)
            && bool::from(console.key.as_slice().ct_eq(key))
        {
            console.cancelled.store(true, Ordering::Release);
        }
    }
}

impl Entered {
    /// What BackendKeyData says.
    pub(crate) fn backend_key(&self) -> (i32, &[u8]) {
        (self.process_id, &self.key)
    }

    /// Set when a cancel request has come.
    pub(crate) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.consoles.by_process_id.lock();
        // Another may have come round to the number.
        if all.get(&self.process_id).is_some_and(|c| Arc::ptr_eq(&c.cancelled, &self.cancelled)) {
            all.remove(&self.process_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_cancels_and_only_while_the_connection_lives() {
        let consoles = Arc::new(Consoles::default());
        let (one, other) = (consoles.enter(), consoles.enter());
        let (process_id, key) = one.backend_key();
        consoles.cancel(process_id, &[]);
        consoles.cancel(process_id, other.backend_key().1);
        consoles.cancel(other.backend_key().0, key);
        assert!(!one.cancelled().load(Ordering::Acquire) || one.key == other.key);
        consoles.cancel(process_id, key);
        assert!(one.cancelled().load(Ordering::Acquire));
        drop((one, other));
        assert!(consoles.by_process_id.lock().is_empty());
    }
}
