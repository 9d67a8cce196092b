//! Which executions are known to belong to which trace.

use crate::conversation::{Conversation, server};

const TEXT: &str =
    "select 1 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/";

/// Which of the statements so far have a parent.
fn traced(talk: &Conversation) -> Vec<bool> {
    talk.queries().iter().map(|query| query.trace.is_some()).collect()
}

fn query() -> String {
    format!("Q {TEXT}")
}

#[test]
fn a_text_has_the_parent_that_its_comment_names() {
    let (mut talk, mut one) = (Conversation::new(&[]).with_traces(), server(10));
    talk.client(&mut one, &[&query(), "Q select 1"]);
    talk.server(&mut one, &["C SELECT 1", "Z I", "C SELECT 1", "Z I"]);
    assert_eq!(traced(&talk), [true, false]);
    let parent = talk.queries()[0].trace.as_ref().expect("it has one").span;
    assert_eq!(parent.to_string(), "b7ad6b7169203331");
}

#[test]
fn nobody_looks_for_parents_that_are_not_wanted() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &[&query()]);
    talk.server(&mut one, &["C SELECT 1", "Z I"]);
    assert_eq!(traced(&talk), [false]);
}

#[test]
fn a_prepared_statement_has_the_parent_of_its_parse_once() {
    for name in ["-", "a"] {
        let (mut talk, mut one) = (Conversation::new(&[]).with_traces(), server(10));
        let parse = format!("P {name} {TEXT}");
        let bind = format!("B {name}");
        talk.client(&mut one, &[&parse, "S"]);
        talk.server(&mut one, &["1", "Z I"]);
        for _ in 0..2 {
            talk.client(&mut one, &[&bind, "E", "S"]);
            talk.server(&mut one, &["2", "C SELECT 1", "Z I"]);
        }
        assert_eq!(traced(&talk), [true, false], "{name:?}");
    }
}

#[test]
fn a_statement_that_fails_when_it_is_parsed_has_its_parent() {
    let (mut talk, mut one) = (Conversation::new(&[]).with_traces(), server(10));
    talk.client(&mut one, &[&format!("P a {TEXT}"), "S"]);
    talk.server(&mut one, &["E 42P01 there is no such table", "Z I"]);
    assert_eq!(traced(&talk), [true]);
}
