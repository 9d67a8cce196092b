//! Statements counted apart by what their comments say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{LabelId, LabelRegistry, Labels, QueryEvent, Tags};

/// The names that say which application it is (sqlcommenter, Marginalia).
const APPLICATION: [&str; 2] = ["application", "app"];
/// Different values of one name. Beyond them it is a number of something, such as a request's id, and
/// nothing that one groups by.
const VALUES_MOST: usize = 200;
/// Kinds of clients told apart by tags; others are counted without.
const LABELS_MOST: usize = 2_000;
/// Names looked at, values remembered for them aside.
const NAMES_MOST: usize = 50;

/// Gives a statement's event the labels that its tags ask for.
///
/// Bounded: by the values that a name may have, and by the kinds of clients that are told apart.
#[derive(Debug, Default)]
pub struct TagLabels {
    known: HashMap<(LabelId, Arc<Tags>), LabelId>,
    /// The values seen of each name; none of a name that has had too many.
    values: HashMap<String, Option<HashSet<String>>>,
}

impl TagLabels {
    /// Exchanges the event's labels for those of its client and its tags together.
    pub fn apply(&mut self, event: &mut QueryEvent, registry: &LabelRegistry) {
        let Some(tags) = event.tags.take() else { return };
        if event.labels == LabelId::OTHERS {
            return;
        }
        let key = (event.labels, self.for_grouping(tags));
        if let Some(known) = self.known.get(&key) {
            event.labels = *known;
            return;
        }
        let full = self.known.len() >= LABELS_MOST;
        if full {
            return;
        }
        let labels = self.labels(&registry.get(key.0), &key.1);
        let found = match registry.intern(labels) {
            LabelId::OTHERS => key.0,
            found => found,
        };
        event.labels = found;
        self.known.insert(key, found);
    }

    /// Without the names that have had too many values.
    fn for_grouping(&self, tags: Arc<Tags>) -> Arc<Tags> {
        let is_number = |name: &str| self.values.get(name).is_some_and(Option::is_none);
        if !tags.keys().any(|name| is_number(name)) {
            return tags;
        }
        let kept = tags.iter().filter(|(name, _)| !is_number(name));
        Arc::new(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn labels(&mut self, base: &Labels, tags: &Tags) -> Labels {
        let mut labels = base.clone();
        let mut kept = Tags::new();
        for (name, value) in tags {
            if !self.is_for_grouping(name, value) {
                continue;
            }
            if APPLICATION.contains(&name.as_str()) {
                labels.application = value.as_str().into();
            } else {
                kept.insert(name.clone(), value.clone());
            }
        }
        labels.tags = Arc::new(kept);
        labels
    }

    /// Whether the name is one to group by; notes the value. Once a name has had too many, what was
    /// made of its values is made anew without.
    fn is_for_grouping(&mut self, name: &str, value: &str) -> bool {
        if !self.values.contains_key(name) {
            if self.values.len() >= NAMES_MOST {
                return false;
            }
            self.values.insert(name.to_owned(), Some(HashSet::new()));
        }
        let Some(Some(values)) = self.values.get_mut(name) else { return false };
        if values.len() < VALUES_MOST || values.contains(value) {
            values.insert(value.to_owned());
            return true;
        }
        self.values.insert(name.to_owned(), None);
        self.known.retain(|(_, tags), _| !tags.contains_key(name));
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use model::{ClientId, Outcome, ShapeId};

    use super::*;

    fn event(labels: LabelId, tags: &[(&str, &str)]) -> QueryEvent {
        let tags: Tags = tags.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        QueryEvent {
            client: ClientId(1),
            transaction: 1,
            in_block: false,
            shape: ShapeId(1),
            labels,
            values: 0,
            prepared_literals: None,
            finished: Instant::now(),
            wait: Duration::ZERO,
            first_byte: Duration::ZERO,
            total: Duration::ZERO,
            stalled: Duration::ZERO,
            rows: 0,
            bytes_received: 0,
            bytes_sent: 0,
            outcome: Outcome::Done,
            sample: None,
            tags: (!tags.is_empty()).then(|| Arc::new(tags)),
            trace: None,
        }
    }

    struct Case {
        registry: LabelRegistry,
        base: LabelId,
        tagging: TagLabels,
    }

    impl Case {
        fn new() -> Self {
            let registry = LabelRegistry::new(10_000);
            let base = registry.intern(Labels::new("shop", "web", "puma"));
            Self { registry, base, tagging: TagLabels::default() }
        }

        fn labels(&mut self, tags: &[(&str, &str)]) -> Arc<Labels> {
            let mut event = event(self.base, tags);
            self.tagging.apply(&mut event, &self.registry);
            self.registry.get(event.labels)
        }
    }

    #[test]
    fn tags_tell_statements_apart_and_may_name_the_application() {
        let mut case = Case::new();
        assert_eq!(*case.labels(&[]), Labels::new("shop", "web", "puma"));
        let cart = case.labels(&[("application", "shop"), ("controller", "cart")]);
        assert_eq!((&*cart.application, &*cart.user), ("shop", "web"));
        assert_eq!(cart.tags["controller"], "cart");
        let menu = case.labels(&[("application", "shop"), ("controller", "menu")]);
        assert_ne!(cart, menu);
        assert_eq!(cart, case.labels(&[("application", "shop"), ("controller", "cart")]));
    }

    #[test]
    fn a_name_with_a_value_for_each_request_is_left_out() {
        let mut case = Case::new();
        for request in 0..5_000 {
            case.labels(&[("controller", "cart"), ("request_id", &request.to_string())]);
        }
        let labels = case.labels(&[("controller", "cart"), ("request_id", "new")]);
        assert_eq!(labels.tags.keys().collect::<Vec<_>>(), ["controller"]);
        assert_eq!(labels, case.labels(&[("controller", "cart"), ("request_id", "7")]));
    }

    #[test]
    fn names_without_end_are_bounded() {
        let mut case = Case::new();
        for number in 0..10_000 {
            case.labels(&[(&format!("name_{number}"), "x"), (&format!("n{number}"), "y")]);
        }
        assert!(case.tagging.values.len() <= NAMES_MOST);
        assert!(case.tagging.known.len() <= LABELS_MOST);
    }
}
