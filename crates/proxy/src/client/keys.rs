//! Whose key a cancel request brings.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use wire::BackendKey;

/// Keys that were given out, and what each is of.
#[derive(Debug)]
pub(super) struct KeyRing<T> {
    given: Mutex<Given<T>>,
}

#[derive(Debug)]
struct Given<T> {
    by_process_id: HashMap<i32, (Box<[u8]>, T)>,
    /// Those whose process id another one has too: keys of peers may.
    more: Vec<(BackendKey, T)>,
}

impl<T> Default for KeyRing<T> {
    fn default() -> Self {
        Self { given: Mutex::new(Given { by_process_id: HashMap::new(), more: Vec::new() }) }
    }
}

impl<T: Clone> KeyRing<T> {
    pub(super) fn is_empty(&self) -> bool {
        let given = self.given.lock();
        given.by_process_id.is_empty() && given.more.is_empty()
    }

    /// How many keys are good.
    pub(super) fn len(&self) -> usize {
        let given = self.given.lock();
        given.by_process_id.len() + given.more.len()
    }

    pub(super) fn insert(&self, key: BackendKey, of: T) {
        let given = &mut *self.given.lock();
        match given.by_process_id.entry(key.process_id) {
            Entry::Vacant(vacant) => {
                vacant.insert((key.secret.into(), of));
            }
            Entry::Occupied(_) => given.more.push((key, of)),
        }
    }

    pub(super) fn remove(&self, key: &BackendKey) {
        let given = &mut *self.given.lock();
        let first = given.by_process_id.get(&key.process_id);
        if first.is_some_and(|(secret, _)| **secret == *key.secret) {
            given.by_process_id.remove(&key.process_id);
        } else if let Some(at) = given.more.iter().position(|(found, _)| found == key) {
            given.more.swap_remove(at);
        }
    }

    /// What the key is of. Secrets are compared in constant time.
    pub(super) fn find(&self, key: &BackendKey) -> Option<T> {
        let given = self.given.lock();
        let first = given.by_process_id.get(&key.process_id);
        let first = first.filter(|(secret, _)| bool::from(secret.ct_eq(&key.secret)));
        if let Some((_, of)) = first {
            return Some(of.clone());
        }
        let more = given.more.iter().filter(|(found, _)| found.process_id == key.process_id);
        let mut fitting = more.filter(|(found, _)| bool::from(found.secret.ct_eq(&key.secret)));
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
        assert!(ring.is_empty());
    }
}
