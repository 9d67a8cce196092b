//! What a client's comments say of its statements.

use std::sync::Arc;

use model::Tags;
use sql::Observed;

/// What tracing writes into comments: it differs with each execution, and is read apart.
const OF_TRACES: [&str; 2] = ["traceparent", "tracestate"];
/// Comments longer than this are not remembered.
const REMEMBERED_BYTES: usize = 1024;

/// The comments that one client sent last, and what they say: many frameworks write the same before
/// all statements of a request. In a box: most clients never write any.
#[derive(Debug, Default)]
pub(super) struct Comments(Option<Box<Said>>);

#[derive(Debug, Default)]
struct Said {
    last: Vec<u8>,
    said: Option<Arc<Tags>>,
}

impl Comments {
    /// What the comments around the statement say, if anything.
    pub(super) fn tags(&mut self, text: &[u8], observed: &Observed) -> Option<Arc<Tags>> {
        let around = sql::around(text, observed)?;
        self.0.get_or_insert_default().tags(around)
    }
}

impl Said {
    fn tags(&mut self, around: [&[u8]; 2]) -> Option<Arc<Tags>> {
        let [before, behind] = around;
        let is_last = self.last.len() == before.len() + behind.len()
            && self.last.starts_with(before)
            && self.last.ends_with(behind);
        if !is_last {
            let mut tags = sql::tags_around(around);
            tags.retain(|name, _| !OF_TRACES.contains(&name.as_str()));
            let same = self.said.as_ref().is_some_and(|said| **said == tags);
            if !same {
                self.said = (!tags.is_empty()).then(|| Arc::new(tags));
            }
            self.last.clear();
            if before.len() + behind.len() <= REMEMBERED_BYTES {
                self.last.extend_from_slice(before);
                self.last.extend_from_slice(behind);
            }
        }
        self.said.clone()
    }
}

#[cfg(test)]
mod tests {
    use sql::ShapeRegistry;

    use super::*;

    #[test]
    fn each_statement_says_what_its_own_comments_say() {
        let registry = ShapeRegistry::new(10);
        let mut comments = Comments::default();
        let mut said = |text: &str| {
            let observed = registry.observe_one(text.as_bytes());
            let tags = comments.tags(text.as_bytes(), &observed)?;
            Some(tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>())
        };
        assert_eq!(said("SELECT 1"), None);
        let cart = Some(vec!["action=show".to_owned(), "controller=cart".to_owned()]);
        assert_eq!(said("SELECT 1 /*controller:cart,action:show*/"), cart);
        assert_eq!(said("SELECT 2 /*controller:cart,action:show*/"), cart);
        assert_eq!(said("SELECT 1"), None);
        let trace = "traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'";
        assert_eq!(said(&format!("SELECT 1 /*{trace}*/")), None);
        let both = format!("SELECT 1 /*action='show',controller='cart',{trace}*/");
        assert_eq!(said(&both), cart);
        assert_eq!(said("SELECT 1 /* nothing of that kind */"), None);
        assert_eq!(
            said("/*controller:a*/ SELECT 1 /*controller:b*/"),
            Some(vec!["controller=b".to_owned()])
        );
    }
}
