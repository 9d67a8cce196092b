//! The lexical normaliser and the classes and effects of statements.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sql::{Shape, ShapeRegistry};

fuzz_target!(|text: &[u8]| {
    let registry = ShapeRegistry::new(1_000);
    let mut statements = Vec::new();
    registry.observe(text, &mut statements);
    let mut end = 0;
    for one in &statements {
        assert!(one.range.start >= end && one.range.start < one.range.end);
        assert!(one.range.end <= text.len());
        end = one.range.end;
        assert!(one.shape.text().len() <= Shape::TEXT_LIMIT);
        // A statement by itself is what it was in the text.
        let alone = registry.observe_one(&text[one.range.clone()]);
        assert_eq!((alone.shape.id, alone.values), (one.shape.id, one.values));
        assert_eq!(alone.shape.effect, one.shape.effect);
    }
    assert!(registry.observe_one(text).range.end <= text.len());
});
