//! Statements counted apart by what their comments say.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{HeldLabels, LabelId, LabelRegistry, Labels, QueryEvent, Tags};

/// The names that say which application it is (sqlcommenter, Marginalia).
const APPLICATION: [&str; 2] = ["application", "app"];
/// Different values of one name within [`VALUE_LASTS`]. Beyond them it is a number of something, such as
/// a request's id, and nothing that one groups by.
const VALUES_MOST: usize = 200;
/// A value that was not seen for so long is gone, such as a release that another has taken the place of.
const VALUE_LASTS: Duration = Duration::from_secs(3_600);
/// Kinds of clients told apart by tags; others are counted without.
const LABELS_MOST: usize = 2_000;
/// Where there are nearly as many, those that were not seen for so long make room.
const LABELS_REST: Duration = Duration::from_secs(60);
/// Names looked at, values remembered for them aside.
const NAMES_MOST: usize = 50;

/// Gives a statement's event the labels that its tags ask for.
///
/// Bounded: by the values that a name may have, and by the kinds of clients that are told apart.
#[derive(Debug, Default)]
pub struct TagLabels {
    known: HashMap<(LabelId, Arc<Tags>), Tagged>,
    /// The values seen of each name, and when last; none of a name that has had too many.
    values: HashMap<String, Option<HashMap<String, Instant>>>,
}

/// What a client's labels and tags together lead to.
#[derive(Debug)]
struct Tagged {
    /// None where the registry had no room: counted without the tags.
    labels: Option<HeldLabels>,
    used: Instant,
}

impl TagLabels {
    /// Exchanges the event's labels for those of its client and its tags together.
    pub fn apply(&mut self, event: &mut QueryEvent, registry: &LabelRegistry) {
        let Some(tags) = event.tags.take() else { return };
        if event.labels == LabelId::OTHERS {
            return;
        }
        let key = (event.labels, self.for_grouping(tags));
        if let Some(known) = self.known.get_mut(&key) {
            known.used = known.used.max(event.finished);
            event.labels = known.id().unwrap_or(key.0);
            return;
        }
        let full = self.known.len() >= LABELS_MOST;
        if full {
            return;
        }
        let labels = registry.share(self.labels(&registry.get(key.0), &key.1, event.finished));
        let labels = (labels.id() != LabelId::OTHERS).then_some(labels);
        let tagged = Tagged { labels, used: event.finished };
        event.labels = tagged.id().unwrap_or(key.0);
        self.known.insert(key, tagged);
    }

    /// Lets go of what stands in the way of new kinds: those of clients whose labels are `forgotten`,
    /// those that the registry had no room for and may have now, and what has not been seen for long.
    pub fn make_room(&mut self, forgotten: &[HeldLabels], now: Instant) {
        let gone: BTreeSet<LabelId> = forgotten.iter().map(HeldLabels::id).collect();
        let nearly_full = self.known.len() > LABELS_MOST - LABELS_MOST / 8;
        self.known.retain(|(client, _), tagged| {
            let rests = now.saturating_duration_since(tagged.used) > LABELS_REST;
            tagged.labels.is_some() && !gone.contains(client) && !(nearly_full && rests)
        });
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

    fn labels(&mut self, base: &Labels, tags: &Tags, now: Instant) -> Labels {
        let mut labels = base.clone();
        let mut kept = Tags::new();
        for (name, value) in tags {
            if !self.is_for_grouping(name, value, now) {
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
    fn is_for_grouping(&mut self, name: &str, value: &str, now: Instant) -> bool {
        if !self.values.contains_key(name) {
            if self.values.len() >= NAMES_MOST {
                return false;
            }
            self.values.insert(name.to_owned(), Some(HashMap::new()));
        }
        let Some(Some(values)) = self.values.get_mut(name) else { return false };
        if values.len() >= VALUES_MOST && !values.contains_key(value) {
            for ((_, tags), tagged) in &self.known {
                if let Some(seen) = tags.get(name).and_then(|value| values.get_mut(value)) {
                    *seen = (*seen).max(tagged.used);
                }
            }
            values.retain(|_, seen| now.saturating_duration_since(*seen) <= VALUE_LASTS);
        }
        if values.len() < VALUES_MOST || values.contains_key(value) {
            values.insert(value.to_owned(), now);
            return true;
        }
        self.values.insert(name.to_owned(), None);
        self.known.retain(|(_, tags), _| !tags.contains_key(name));
        false
    }
}

impl Tagged {
    fn id(&self) -> Option<LabelId> {
        self.labels.as_ref().map(HeldLabels::id)
    }
}

#[cfg(test)]
mod tests {
    use model::{ClientId, Outcome, ShapeId};

    use super::*;

    fn event(labels: LabelId, tags: &[(&str, &str)], finished: Instant) -> QueryEvent {
        let tags: Tags = tags.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        QueryEvent {
            client: ClientId(1),
            transaction: 1,
            in_block: false,
            shape: ShapeId(1),
            labels,
            values: 0,
            prepared_literals: None,
            finished,
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
            alone: None,
        }
    }

    struct Case {
        registry: LabelRegistry,
        base: HeldLabels,
        tagging: TagLabels,
        now: Instant,
    }

    impl Case {
        fn new() -> Self {
            Self::with(LabelRegistry::new(10_000))
        }

        fn with(registry: LabelRegistry) -> Self {
            let base = registry.share(Labels::new("shop", "web", "puma"));
            Self { registry, base, tagging: TagLabels::default(), now: Instant::now() }
        }

        fn labels(&mut self, tags: &[(&str, &str)]) -> Arc<Labels> {
            let mut event = event(self.base.id(), tags, self.now);
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
    fn values_that_follow_each_other_stay_apart_however_many() {
        let mut case = Case::new();
        for release in 0..3 * VALUES_MOST {
            let release = release.to_string();
            let labels = case.labels(&[("release", &release)]);
            assert_eq!(labels.tags.get("release"), Some(&release));
            case.now += VALUE_LASTS / 100;
            // Seen all the time, but new to nobody.
            assert_eq!(case.labels(&[("controller", "cart")]).tags["controller"], "cart");
        }
        assert!(case.tagging.values["release"].as_ref().is_some_and(|v| v.len() <= VALUES_MOST));
    }

    #[test]
    fn clients_that_come_and_go_leave_room_for_the_tags_of_the_next() {
        let mut case = Case::with(LabelRegistry::new(4_000));
        for process in 0..3 * LABELS_MOST {
            case.base = case.registry.share(Labels::new("shop", "web", process.to_string()));
            for controller in ["cart", "menu"] {
                let labels = case.labels(&[("controller", controller)]);
                assert_eq!(labels.tags.get("controller").map(String::as_str), Some(controller));
                assert_eq!(*labels.application, *process.to_string());
            }
            case.now += Duration::from_secs(1);
            let forgotten = case.registry.make_room();
            case.tagging.make_room(&forgotten, case.now);
        }
        assert!(case.registry.len() <= 4_000);
    }

    #[test]
    fn tags_that_found_no_room_are_looked_at_again() {
        let mut case = Case::with(LabelRegistry::new(2));
        let other = case.registry.share(Labels::new("shop", "web", "other"));
        assert!(case.labels(&[("controller", "cart")]).tags.is_empty(), "the registry is full");
        drop(other);
        for _ in 0..3 {
            let forgotten = case.registry.make_room();
            case.tagging.make_room(&forgotten, case.now);
        }
        assert_eq!(case.labels(&[("controller", "cart")]).tags["controller"], "cart");
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
