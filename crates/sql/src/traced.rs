//! Where a statement's application was in its trace, as sqlcommenter's `traceparent` says.

use model::TraceContext;

use crate::registry::Observed;
use crate::tags::{self, Tags};

/// The tag's name (<https://google.github.io/sqlcommenter/spec/>).
const TRACEPARENT: &[u8] = b"traceparent";

/// The application's place in its trace, if a comment right before or behind the statement says it.
/// `text` is what `observed` was observed in. A statement without such a comment costs a look at the
/// few bytes around it.
#[must_use]
pub fn trace_context(text: &[u8], observed: &Observed) -> Option<TraceContext> {
    let [before, behind] = tags::around(text, observed)?;
    // Where both have one, what is behind was added last.
    in_gap(behind).or_else(|| in_gap(before))
}

/// Reads what is between two statements: white space, comments and semicolons.
fn in_gap(gap: &[u8]) -> Option<TraceContext> {
    if gap.len() < TRACEPARENT.len() || !gap.windows(TRACEPARENT.len()).any(|at| at == TRACEPARENT)
    {
        return None;
    }
    let mut tags = Tags::new();
    tags::comments(gap, &mut tags);
    tags.get("traceparent")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ShapeRegistry;

    const PARENT: &str = "traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'";
    const OTHER: &str = "traceparent='00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01'";

    /// The parents' span ids of a text's statements, in short.
    fn parents(text: &str) -> Vec<Option<u8>> {
        let registry = ShapeRegistry::new(10);
        let mut observed = Vec::new();
        registry.observe(text.as_bytes(), &mut observed);
        let context = |one| trace_context(text.as_bytes(), one);
        observed.iter().map(|one| context(one).map(|found| found.span.0 as u8)).collect()
    }

    #[test]
    fn each_statement_has_its_own_comment() {
        for (text, expected) in [
            (format!("select 1 /*{PARENT}*/"), vec![Some(0x31)]),
            (format!("select 1 /*action='a',{PARENT},x='y'*/ ;"), vec![Some(0x31)]),
            (format!("/*{PARENT}*/ select 1"), vec![Some(0x31)]),
            (format!("select 1; /*{PARENT}*/"), vec![Some(0x31)]),
            (format!("select 1; /*{PARENT}*/ select 2"), vec![None, Some(0x31)]),
            (format!("select 1 /*{PARENT}*/; select 2 /*{OTHER}*/"), vec![Some(0x31), Some(0xaa)]),
            (format!("/*{OTHER}*/ select 1 /*{PARENT}*/"), vec![Some(0x31)]),
            (format!("select '/*{PARENT}*/'"), vec![None]),
            (format!("select 1 -- /*{PARENT}*/"), vec![None]),
            ("select 1 /*traceparent='00-xyz'*/".to_owned(), vec![None]),
            ("select 1".to_owned(), vec![None]),
        ] {
            assert_eq!(parents(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_prepared_text_is_one_statement() {
        let text = format!(";select $1 /*{PARENT}*/;");
        let observed = ShapeRegistry::new(10).observe_one(text.as_bytes());
        assert!(trace_context(text.as_bytes(), &observed).is_some());
        assert!(trace_context(b"", &observed).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_will_do(
            head in proptest::collection::vec(any::<u8>(), 0..40),
            tail in "(/\\*|\\*/|--|;|'|\n|traceparent=|00-|0af7651916cd43dd8448eb211c80319c|-){0,12}",
        ) {
            let text = [&head, tail.as_bytes()].concat();
            let registry = ShapeRegistry::new(10);
            let mut observed = Vec::new();
            registry.observe(&text, &mut observed);
            for one in &observed {
                prop_assert!(one.extent.start <= one.range.start);
                prop_assert!(one.range.end <= one.extent.end && one.extent.end <= text.len());
                let _ = trace_context(&text, one);
            }
        }
    }
}
