//! Whose key a cancel request brings.

use std::collections::HashMap;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use wire::BackendKey;

/// Keys that were given out, and what each is of. Keys of peers may have the same process id.
#[derive(Debug)]
pub(super) struct KeyRing<T> {
    by_process_id: Mutex<HashMap<i32, Vec<(BackendKey, T)>>>,
}

impl<T> Default for KeyRing<T> {
    fn default() -> Self {
        Self { by_process_id: Mutex::default() }
    }
}

impl<T: Clone> KeyRing<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.by_process_id.lock().is_empty()
    }

    /// How many keys are good.
    pub(super) fn len(&self) -> usize {
        self.by_process_id.lock().values().map(Vec::len).sum()
    }

    pub(super) fn insert(&self, key: BackendKey, of: T) {
        let mut all = self.by_process_id.lock();
        // Nearly always it is the only one.
        let keys = all.entry(key.process_id).or_insert_with(|| Vec::with_capacity(1));
        keys.push((key, of));
    }

    pub(super) fn remove(&self, key: &BackendKey) {
        let mut all = self.by_process_id.lock();
        if let Some(keys) = all.get_mut(&key.process_id) {
            if let Some(at) = keys.iter().position(|(found, _)| found == key) {
                keys.swap_remove(at);
            }
            if keys.is_empty() {
                all.remove(&key.process_id);
            }
        }
    }

    /// What the key is of. Secrets are compared in constant time.
    pub(super) fn find(&self, key: &BackendKey) -> Option<T> {
        let all = self.by_process_id.lock();
        let keys = all.get(&key.process_id)?.iter();
        let mut fitting = keys.filter(|(found, _)| bool::from(found.secret.ct_eq(&key.secret)));
        fitting.next().map(|(_, of)| of.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_the_same_process_id_are_told_apart() {
        let key = |secret: &[u8]| BackendKey { process_id: 7, secret: secret.to_vec() };
        let ring = KeyRing::default();
        ring.insert(key(b"abcd"), 1);
        ring.insert(key(b"efgh"), 2);
        assert_eq!((ring.find(&key(b"abcd")), ring.find(&key(b"efgh"))), (Some(1), Some(2)));
        assert_eq!(ring.len(), 2);
        assert_eq!(ring.find(&key(b"")), None);
        assert_eq!(ring.find(&key(b"abcdefgh")), None);
        ring.remove(&key(b"abcd"));
        ring.remove(&key(b"abcd"));
        assert_eq!((ring.find(&key(b"abcd")), ring.find(&key(b"efgh"))), (None, Some(2)));
        ring.remove(&key(b"efgh"));
        assert!(ring.by_process_id.lock().is_empty());
    }
}
