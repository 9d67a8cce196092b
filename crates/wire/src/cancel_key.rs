//! Keys of cancel requests that say which pooler of a fleet they are of.
//!
//! The layout is PgBouncer's (client.c, "cancel_key"), so that a fleet may have both: of the eight
//! bytes that are process id and secret, the second and the third are the peer's id, low byte first,
//! and the last two bits say how often a request may be passed on. What is left is random: 45 bits, and
//! 269 where the secret has 32 bytes (protocol 3.2); the sign of the process id is plus.

use std::fmt;
use std::num::NonZeroU16;

/// How often a request may be passed on, in the last two bits.
const PASSES: u8 = 0b11;

/// A pooler of a fleet, from 1 to 16383.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(NonZeroU16);

impl PeerId {
    /// The largest that PgBouncer takes.
    pub const MAX: Self = Self(match NonZeroU16::new(16_383) {
        Some(most) => most,
        None => NonZeroU16::MAX,
    });

    /// None for what is no id.
    #[must_use]
    pub fn new(id: u16) -> Option<Self> {
        NonZeroU16::new(id).map(Self).filter(|id| *id <= Self::MAX)
    }

    /// As a number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What BackendKeyData tells a client and a cancel request brings back. Its `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendKey {
    /// What the client takes for a process id.
    pub process_id: i32,
    /// 4 bytes; up to 256 from protocol 3.2 on.
    pub secret: Vec<u8>,
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKey").field("process_id", &self.process_id).finish_non_exhaustive()
    }
}

impl BackendKey {
    /// A key of this peer's, made of random bits.
    #[must_use]
    pub fn of_peer(peer: PeerId, random: u32, secret: Vec<u8>) -> Self {
        let [first, _, _, last] = random.to_be_bytes();
        let [low, high] = peer.get().to_le_bytes();
        let process_id = i32::from_be_bytes([first & 0x7f, low, high, last]);
        Self { process_id, secret }.at_home()
    }

    /// The peer whose key it is; none if it cannot be one's.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        let [_, low, high, _] = self.process_id.to_be_bytes();
        PeerId::new(u16::from_le_bytes([low, high]))
    }

    /// The key as it was given out, however often the request was passed on.
    #[must_use]
    pub fn at_home(mut self) -> Self {
        if let Some(last) = self.secret.last_mut() {
            *last |= PASSES;
        }
        self
    }

    /// The key to pass on; none if that was done as often as it may.
    #[must_use]
    pub fn passed_on(mut self) -> Option<Self> {
        let last = self.secret.last_mut().filter(|last| **last & PASSES > 0)?;
        *last -= 1;
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_names_its_peer_and_is_passed_on_three_times(
            id in 1..=PeerId::MAX.get(),
            random: u32,
            secret in prop::collection::vec(any::<u8>(), 4..=256),
        ) {
            let peer = PeerId::new(id).unwrap();
            let key = BackendKey::of_peer(peer, random, secret);
            prop_assert!(key.process_id > 0);
            prop_assert_eq!(key.peer(), Some(peer));
            let mut passed = key.clone();
            for _ in 0..3 {
                passed = passed.passed_on().unwrap();
                prop_assert_eq!(passed.peer(), Some(peer));
                prop_assert_eq!(passed.clone().at_home(), key.clone());
            }
            prop_assert_eq!(passed.passed_on(), None);
        }

        /// Must survive: cancel keys that can be guessed
        #[test]
        fn every_bit_that_is_not_the_peers_or_the_count_is_random(
            id in 1..=PeerId::MAX.get(),
            random: u32,
            secret: [u8; 4],
        ) {
            let peer = PeerId::new(id).unwrap();
            let key = BackendKey::of_peer(peer, random, secret.to_vec());
            prop_assert_eq!(key.process_id as u32 & 0x7f00_00ff, random & 0x7f00_00ff);
            prop_assert_eq!(key.secret[..3].to_vec(), secret[..3].to_vec());
            prop_assert_eq!(key.secret[3] & !PASSES, secret[3] & !PASSES);
        }
    }

    #[test]
    fn the_layout_is_pgbouncers() {
        let key = BackendKey::of_peer(PeerId::new(0x1234).unwrap(), u32::MAX, vec![0; 4]);
        assert_eq!(key.process_id.to_be_bytes(), [0x7f, 0x34, 0x12, 0xff]);
        assert_eq!(key.secret, [0, 0, 0, 3]);
        assert_eq!(PeerId::new(0), None);
        assert_eq!(PeerId::new(16_384), None);
        assert_eq!(
            format!("{key:?}"),
            format!("BackendKey {{ process_id: {}, .. }}", key.process_id)
        );
    }
}
