//! Which kind of clients a client is of, for the statistics.

use std::time::{Duration, Instant};

use model::{HeldLabels, LabelId, LabelRegistry, Labels};

/// Whoever found no room asks again after so long.
const ASKS_AGAIN: Duration = Duration::from_mins(1);

/// A client's kind, which is told apart as long as this is there, if there was room for it.
#[derive(Debug)]
pub(super) struct Kind {
    held: HeldLabels,
    /// When the registry was asked for it.
    asked: Instant,
}

impl Kind {
    /// What the registry said just now.
    pub(super) fn new(held: HeldLabels, now: Instant) -> Self {
        Self { held, asked: now }
    }

    /// What events carry.
    pub(super) fn id(&self) -> LabelId {
        self.held.id()
    }

    pub(super) fn labels(&self) -> &Labels {
        &self.held
    }

    /// Whether it is counted among the others and has been for a while: there may be room by now.
    pub(super) fn may_have_room(&self, now: Instant) -> bool {
        self.id() == LabelId::OTHERS && now.saturating_duration_since(self.asked) >= ASKS_AGAIN
    }

    /// The client is of the kind `labels` from now on.
    pub(super) fn become_of(&mut self, labels: Labels, registry: &LabelRegistry, now: Instant) {
        *self = Self::new(registry.share(labels), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_found_no_room_asks_again_each_minute_until_there_is_some() {
        let registry = LabelRegistry::new(1);
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let early = registry.share(Labels::new("shop", "web", "early"));
        let late = Labels::new("shop", "web", "late");
        let mut kind = Kind::new(registry.share(late.clone()), began);
        assert!(!kind.may_have_room(at(59)) && kind.may_have_room(at(60)));
        kind.become_of(late.clone(), &registry, at(60));
        assert_eq!((kind.id(), kind.labels()), (LabelId::OTHERS, &late));
        assert!(!kind.may_have_room(at(119)) && kind.may_have_room(at(120)));
        drop(early);
        while registry.make_room().is_empty() {}
        kind.become_of(late.clone(), &registry, at(120));
        assert_ne!(kind.id(), LabelId::OTHERS);
        assert_eq!(*registry.get(kind.id()), late);
        assert!(!kind.may_have_room(at(1_000)), "it is told apart");
    }
}
