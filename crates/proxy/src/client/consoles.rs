//! Connections of the admin console, as far as cancel requests are concerned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use wire::BackendKey;

use super::keys::KeyRing;
use crate::peers::Peers;

/// How many numbers they take turns with, far from those of clients, which count from 1.
const NUMBERS: i32 = 1 << 20;

/// All connections of the admin console.
#[derive(Debug, Default)]
pub(crate) struct Consoles {
    next: AtomicI32,
    keys: KeyRing<Arc<AtomicBool>>,
}

/// A connection's place among them. Dropped, it is given up.
#[derive(Debug)]
pub(crate) struct Entered {
    consoles: Arc<Consoles>,
    key: BackendKey,
    cancelled: Arc<AtomicBool>,
}

impl Consoles {
    /// A new connection.
    pub(crate) fn enter(self: &Arc<Self>, peers: &Peers) -> Entered {
        let number = self.next.fetch_add(1, Ordering::Relaxed).rem_euclid(NUMBERS);
        let key = peers.new_key(i32::MAX - number, false);
        let cancelled = Arc::new(AtomicBool::new(false));
        self.keys.insert(key.clone(), Arc::clone(&cancelled));
        Entered { consoles: Arc::clone(self), key, cancelled }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are good.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// A cancel request.
    pub(crate) fn cancel(&self, key: &BackendKey) {
        if let Some(cancelled) = self.keys.find(key) {
            cancelled.store(true, Ordering::Release);
        }
    }
}

impl Entered {
    /// What BackendKeyData says.
    pub(crate) fn key(&self) -> &BackendKey {
        &self.key
    }

    /// Set when a cancel request has come.
    pub(crate) fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.consoles.keys.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_cancels_and_only_while_the_connection_lives() {
        let consoles = Arc::new(Consoles::default());
        let peers = Peers::default();
        let (one, other) = (consoles.enter(&peers), consoles.enter(&peers));
        let key = |of: &Entered, secret: &[u8]| BackendKey {
            process_id: of.key().process_id,
            secret: secret.to_vec(),
        };
        consoles.cancel(&key(&one, &[]));
        consoles.cancel(&key(&one, &other.key().secret));
        consoles.cancel(&key(&other, &one.key().secret));
        let alike = one.key().secret == other.key().secret;
        assert!(!one.cancelled().load(Ordering::Acquire) || alike);
        consoles.cancel(one.key());
        assert!(one.cancelled().load(Ordering::Acquire));
        let (gone, cancelled) = (other.key().clone(), other.cancelled());
        drop(other);
        consoles.cancel(&gone);
        assert!(!cancelled.load(Ordering::Acquire) || alike);
    }
}
