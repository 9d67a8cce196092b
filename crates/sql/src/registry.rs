//! The shapes known so far, shared by all client tasks.

use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dashmap::{DashMap, Entry};
use model::ShapeId;

use crate::classify::classify;
use crate::digest::{Digest, digest};
use crate::scan::Until;
use crate::shape::ShapeParts;
use crate::{Bindable, Calls, Class, Constants, SessionEffect, Shape};

/// One statement of a text.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What it is.
    pub shape: Arc<Shape>,
    /// A hash of the literals that the shape leaves out; equal values hash equally.
    pub values: u64,
    /// Where in the text it stands, without the white space, comments and `;` around it, in bytes.
    pub range: Range<usize>,
    /// The same with what is around it: from the end of the statement before to the beginning of the
    /// next.
    pub extent: Range<usize>,
    /// Where the literals stand.
    pub constants: Constants,
}

/// The shapes known so far, at most so many. Shared by all client tasks; nothing here blocks but for
/// the moment that a shard of the map is locked.
#[derive(Debug)]
pub struct ShapeRegistry {
    shapes: DashMap<ShapeId, Arc<Shape>, BuildHasherDefault<IdHasher>>,
    limit: usize,
    /// Shapes in the map and places taken for those on their way in.
    count: AtomicUsize,
    /// The number of the present sweep period.
    sweep: AtomicU32,
    new: Mutex<Vec<Arc<Shape>>>,
    others: Others,
}

impl ShapeRegistry {
    /// A registry for at most `limit` shapes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            shapes: DashMap::default(),
            limit,
            count: AtomicUsize::new(0),
            sweep: AtomicU32::new(0),
            new: Mutex::default(),
            others: Others::default(),
        }
    }

    /// Appends one entry to `out` for each statement of `text`, the text of a Query message. It is
    /// split at its top-level semicolons; what has nothing between them is no statement, so that an
    /// empty text yields none. Any bytes will do.
    pub fn observe(&self, text: &[u8], out: &mut Vec<Observed>) {
        let (mut at, before) = (0, out.len());
        while at < text.len() {
            let digest = digest(text, at, Until::Semicolon);
            at = digest.next;
            match digest.range.clone() {
                Some(range) => out.push(self.observed(text, &digest, range)),
                // A comment behind the last semicolon is the last statement's.
                None => {
                    if let Some(last) = out.get_mut(before..).and_then(<[Observed]>::last_mut) {
                        last.extent.end = at;
                    }
                }
            }
        }
    }

    /// The same for a text known to be one statement, that of a Parse message; an empty one is of
    /// [`Class::Empty`]. Semicolons around it are ignored.
    #[must_use]
    pub fn observe_one(&self, text: &[u8]) -> Observed {
        let digest = digest(text, 0, Until::TextEnd);
        let range = digest.range.clone().unwrap_or(0..0);
        Observed { extent: 0..text.len(), ..self.observed(text, &digest, range) }
    }

    fn observed(&self, text: &[u8], digest: &Digest, range: Range<usize>) -> Observed {
        let known = self.shapes.get(&digest.id).map(|shape| Arc::clone(&shape));
        let shape = match known {
            Some(shape) => {
                shape.mark_used(self.sweep.load(Ordering::Relaxed));
                shape
            }
            None => {
                let end = digest.next.min(digest.from.saturating_add(Shape::STATEMENT_LIMIT));
                self.introduce(text.get(range.start..end).unwrap_or_default(), digest)
            }
        };
        Observed {
            shape,
            values: digest.values,
            range,
            extent: digest.from..digest.next,
            constants: digest.constants,
        }
    }

    /// A shape met for the first time, or one that there is no room for. `seen` is the part of the
    /// text that the digest is of.
    #[cold]
    fn introduce(&self, seen: &[u8], digest: &Digest) -> Arc<Shape> {
        let (class, effect) = if seen.is_empty() && digest.truncated {
            // It hides behind a very long comment.
            (Class::Other, SessionEffect::Do)
        } else {
            classify(seen)
        };
        let calls = Calls::of_statement(seen, digest.truncated);
        if !self.take_place() {
            if calls.is_empty() {
                return self.others.get(class, effect);
            }
            return Shape::others(class, effect, calls);
        }
        let parts = ShapeParts {
            id: digest.id,
            source: Box::from(seen),
            class,
            effect,
            bindable: Bindable::of_statement(seen, class, effect, &calls),
            calls,
            truncated: digest.truncated,
        };
        let shape = Arc::new(Shape::new(parts, self.sweep.load(Ordering::Relaxed)));
        match self.shapes.entry(digest.id) {
            Entry::Occupied(present) => {
                // Another client was faster.
                self.count.fetch_sub(1, Ordering::Relaxed);
                return Arc::clone(present.get());
            }
            Entry::Vacant(place) => {
                place.insert(Arc::clone(&shape));
            }
        }
        let mut new = self.new_shapes();
        if new.len() < self.limit {
            new.push(Arc::clone(&shape));
        }
        shape
    }

    /// Whether there was room for one more.
    fn take_place(&self) -> bool {
        self.count
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < self.limit).then_some(count + 1)
            })
            .is_ok()
    }

    fn new_shapes(&self) -> MutexGuard<'_, Vec<Arc<Shape>>> {
        // A list of shapes is whole whatever happened to the thread that held it.
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shape with this id, if it is remembered.
    #[must_use]
    pub fn get(&self, id: ShapeId) -> Option<Arc<Shape>> {
        self.shapes.get(&id).map(|shape| Arc::clone(&shape))
    }

    /// How many shapes are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many shapes may be remembered.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Shapes met for the first time since the last call, for [`facts()`](crate::facts()). At most
    /// [`ShapeRegistry::limit`] wait; should nobody ask for that long, later ones are never handed
    /// out and keep [`Shape::parsed`] at none.
    #[must_use]
    pub fn take_new(&self) -> Vec<Arc<Shape>> {
        std::mem::take(&mut *self.new_shapes())
    }

    /// Forgets the shapes not seen since the call before that nobody holds; says how many. Called every
    /// few minutes, it keeps shapes that are gone for good from filling the registry for ever. A
    /// forgotten shape that is seen again is new again, with the same ids.
    ///
    /// A prepared statement holds its shape, and is run without its text being seen again.
    pub fn sweep(&self) -> usize {
        let ending = self.sweep.fetch_add(1, Ordering::Relaxed);
        let mut forgotten = 0;
        self.shapes.retain(|_, shape| {
            // A client may have marked it with the new period already.
            let keep = [ending, ending.wrapping_add(1)].contains(&shape.last_used())
                || Arc::strong_count(shape) > 1;
            forgotten += usize::from(!keep);
            keep
        });
        self.count.fetch_sub(forgotten, Ordering::Relaxed);
        forgotten
    }
}

/// One shape for each class and effect of what there is no room for, made when first needed.
#[derive(Debug)]
struct Others(Vec<OnceLock<Arc<Shape>>>);

impl Default for Others {
    fn default() -> Self {
        Self((0..Class::ALL.len() * SessionEffect::ALL.len()).map(|_| OnceLock::new()).collect())
    }
}

impl Others {
    fn get(&self, class: Class, effect: SessionEffect) -> Arc<Shape> {
        let index = class as usize * SessionEffect::ALL.len() + effect as usize;
        match self.0.get(index) {
            Some(place) => {
                Arc::clone(place.get_or_init(|| Shape::others(class, effect, Calls::default())))
            }
            None => Shape::others(class, effect, Calls::default()),
        }
    }
}

/// Ids are hashes already.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        // Not reached with `ShapeId`, which is one u64.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed<'a>(registry: &ShapeRegistry, text: &'a str) -> Vec<(Class, &'a str)> {
        let mut out = Vec::new();
        registry.observe(text.as_bytes(), &mut out);
        out.into_iter().map(|one| (one.shape.class, &text[one.range])).collect()
    }

    #[test]
    fn texts_are_split_at_semicolons() {
        let registry = ShapeRegistry::new(100);
        assert_eq!(observed(&registry, ""), []);
        assert_eq!(observed(&registry, " ;; /* ; */ ; -- ;\n"), []);
        assert_eq!(
            observed(&registry, " begin ;select ';', \";\" -- ;\n , $$;$$ /* x */; commit"),
            [
                (Class::Begin, "begin"),
                (Class::Select, "select ';', \";\" -- ;\n , $$;$$"),
                (Class::Commit, "commit"),
            ]
        );
        let rule = "create rule r as on insert to t do (delete from a; delete from b)";
        assert_eq!(
            observed(&registry, &format!("{rule}; select 1")),
            [(Class::Create, rule), (Class::Select, "select 1")]
        );
    }

    #[test]
    fn routine_bodies_are_not_split() {
        let registry = ShapeRegistry::new(100);
        let body = "create or replace function f() returns int begin atomic \
                    select case when true then 1 end; select 2; end";
        assert_eq!(
            observed(&registry, &format!("{body}; begin; select 1; end")),
            [
                (Class::Create, body),
                (Class::Begin, "begin"),
                (Class::Select, "select 1"),
                (Class::Commit, "end"),
            ]
        );
        assert_eq!(observed(&registry, "create table atomic (a int); begin; end").len(), 3);
        assert_eq!(observed(&registry, "create table function (a int); begin; end").len(), 3);
    }

    #[test]
    fn one_statement_is_one_whatever_it_contains() {
        let registry = ShapeRegistry::new(100);
        let text = " ; select 1; select 2 ;; ";
        let one = registry.observe_one(text.as_bytes());
        assert_eq!((&text[one.range], one.shape.class), ("select 1; select 2", Class::Select));
        assert_eq!(&**one.shape.text(), "select $1; select $2");
        let empty = registry.observe_one(b" -- nothing");
        assert_eq!((empty.shape.class, empty.range), (Class::Empty, 0..0));
        assert_eq!(
            registry.observe_one(b"select 1").shape.id,
            registry.observe_one(b";select 1;").shape.id
        );
    }

    #[test]
    fn new_shapes_are_handed_out_once() {
        let registry = ShapeRegistry::new(100);
        for _ in 0..3 {
            assert_eq!(observed(&registry, "select 1; select 2; select a").len(), 3);
        }
        let texts: Vec<_> = registry.take_new().iter().map(|shape| shape.text().clone()).collect();
        assert_eq!(texts, [Arc::from("select $1"), Arc::from("select a")]);
        assert!(registry.take_new().is_empty());
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn a_full_registry_says_others_and_still_classifies() {
        let registry = ShapeRegistry::new(10);
        for number in 0..100_000 {
            let seen = registry.observe_one(format!("listen channel_{number}").as_bytes()).shape;
            assert_eq!((seen.class, seen.effect), (Class::Listen, SessionEffect::Listen));
            assert_eq!(seen.id == ShapeId::OTHERS, number >= 10);
        }
        assert_eq!((registry.len(), registry.shapes.len()), (10, 10));
        assert_eq!(registry.take_new().len(), 10);
        let other = registry.observe_one(b"create temp table t (a int)").shape;
        assert_eq!(&**other.text(), "(others)");
        assert_eq!(other.effect, SessionEffect::CreateTemporary);
        other.request_sample();
        assert!(!other.take_sample_request());
    }

    #[test]
    fn sweeping_forgets_what_was_not_seen_and_nobody_holds() {
        let registry = ShapeRegistry::new(2);
        let see = |text: &str| registry.observe_one(text.as_bytes()).shape.id;
        let (a, b) = (see("select a"), see("select b"));
        drop(registry.take_new());
        assert_eq!(registry.sweep(), 0);
        assert_eq!(see("select a"), a);
        assert_eq!(registry.sweep(), 1);
        assert!(registry.get(a).is_some() && registry.get(b).is_none());
        assert_ne!(see("select c"), ShapeId::OTHERS);
        // Prepared, and run again and again without its text.
        let held = registry.observe_one(b"select c").shape;
        drop(registry.take_new());
        assert_eq!(registry.sweep(), 1);
        assert_eq!(registry.sweep(), 0);
        assert!(registry.get(held.id).is_some());
        drop(held);
        assert_eq!(registry.sweep(), 1);
        assert!(registry.is_empty());
    }

    #[test]
    fn the_limit_holds_between_threads() {
        let registry = ShapeRegistry::new(50);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..1_000 {
                        let text = format!("select column_{}", number % 200);
                        let _seen = registry.observe_one(text.as_bytes());
                        assert!(registry.len() <= 50);
                        if number % 100 == 99 {
                            registry.sweep();
                        }
                    }
                });
            }
        });
        // The map's own count is right only while nobody else changes it.
        assert!(registry.shapes.len() <= 50);
        assert_eq!(registry.len(), registry.shapes.len());
    }

    #[test]
    fn a_sample_request_is_taken_once() {
        let registry = ShapeRegistry::new(1);
        let shape = registry.observe_one(b"select 1").shape;
        assert!(!shape.take_sample_request());
        shape.request_sample();
        assert!(shape.take_sample_request());
        assert!(!shape.take_sample_request());
    }

    #[test]
    fn a_cut_off_text_has_the_shape_of_the_whole() {
        let registry = ShapeRegistry::new(10);
        let long = "x".repeat(3 * Shape::STATEMENT_LIMIT);
        let wholes = [
            format!("insert into t values ('{long}'), (2); select 1"),
            format!("insert into t values ({} 1); select 1", "1, ".repeat(40_000)),
            format!("select {long} from t; select 1"),
            format!("select 1 /*{long}*/ + 2; select 1"),
            format!("/*{long}*/ select 2; select 1"),
        ];
        for whole in &wholes {
            let cut = registry.observe_one(&whole.as_bytes()[..Shape::STATEMENT_LIMIT]).shape;
            let mut split = Vec::new();
            registry.observe(whole.as_bytes(), &mut split);
            assert_eq!(split.len(), 2, "{}", &whole[..30]);
            assert_eq!(&whole[split[1].range.clone()], "select 1");
            assert_eq!(split[0].shape.id, cut.id);
            assert!(cut.truncated && cut.text().ends_with('…') && !split[1].shape.truncated);
        }
        assert_ne!(
            registry.observe_one(b"select 1 /**/").shape.id,
            registry.observe_one(wholes[3].as_bytes()).shape.id
        );
    }
}
