//! What applications say of a statement in its comments.
//!
//! Two forms: sqlcommenter's `/*application='shop',traceparent='00-…'*/`, with percent-encoded names
//! and values (<https://google.github.io/sqlcommenter/spec/>), and Marginalia's
//! `/*application:shop,controller:carts*/`, which Rails writes.

pub use model::Tags;

use crate::bytes;
use crate::lexer::{Kind, Lexer};
use crate::registry::Observed;

/// How many tags a statement may have; later ones are left out.
const TAGS_LIMIT: usize = 16;
/// The longest name and the longest value, in bytes; longer ones make the comment an ordinary one.
const LENGTH_LIMIT: usize = 200;

/// The tags in the comments of `text`, which may be one statement with the comments around it. A
/// comment counts if all of it has one of the two forms; of a name that comes twice, the first
/// counts.
#[must_use]
pub fn tags(text: &[u8]) -> Tags {
    let mut tags = Tags::new();
    if !has_comment(text) {
        return tags;
    }
    let mut lexer = Lexer::new(text, 0);
    let mut from = 0;
    loop {
        let token = lexer.next();
        comments(text.get(from..token.start).unwrap_or_default(), &mut tags);
        if token.kind == Kind::End {
            return tags;
        }
        from = token.end;
    }
}

/// What is before and behind a statement, up to the ones before and after it, where that can hold a
/// comment with tags; `text` is what `observed` was observed in. A statement without one costs two
/// comparisons.
#[must_use]
pub fn around<'a>(text: &'a [u8], observed: &Observed) -> Option<[&'a [u8]; 2]> {
    const SHORTEST: usize = "/*a:b*/".len();

    let Observed { range, extent, .. } = observed;
    if range.start - extent.start.min(range.start) < SHORTEST
        && extent.end - range.end.min(extent.end) < SHORTEST
    {
        return None;
    }
    let before = text.get(extent.start..range.start).unwrap_or_default();
    let behind = text.get(range.end..extent.end).unwrap_or_default();
    (has_comment(before) || has_comment(behind)).then_some([before, behind])
}

/// The tags in what is [`around`] a statement; what is behind it was added last, and counts where both
/// have a name.
#[must_use]
pub fn tags_around(around: [&[u8]; 2]) -> Tags {
    let [before, behind] = around;
    let mut tags = Tags::new();
    comments(behind, &mut tags);
    comments(before, &mut tags);
    tags
}

/// Whether there may be one that is not a line's.
fn has_comment(text: &[u8]) -> bool {
    let mut at = bytes::find(text, 0, b'/');
    while at < text.len() {
        if text.get(at + 1) == Some(&b'*') {
            return true;
        }
        at = bytes::find(text, at + 1, b'/');
    }
    false
}

/// Reads the comments of what is between two tokens.
pub(crate) fn comments(mut gap: &[u8], tags: &mut Tags) {
    // `--` hides what looks like a comment behind it.
    while let Some(at) = gap.windows(2).position(|pair| pair == b"/*" || pair == b"--") {
        let inside = &gap[at + 2..];
        if gap[at] == b'-' {
            gap = &inside[bytes::find(inside, 0, b'\n')..];
            continue;
        }
        let end = inside.windows(2).position(|pair| pair == b"*/").unwrap_or(inside.len());
        let text = std::str::from_utf8(&inside[..end]).unwrap_or_default();
        for (name, value) in pairs(text).unwrap_or_default() {
            if tags.len() < TAGS_LIMIT {
                tags.entry(name).or_insert(value);
            }
        }
        gap = &inside[(end + 2).min(inside.len())..];
    }
}

/// The pairs of a comment, if it is made of nothing else.
fn pairs(comment: &str) -> Option<Vec<(String, String)>> {
    // No value has a comma in it: sqlcommenter encodes it.
    comment.split(',').take(TAGS_LIMIT).map(|pair| pair_of(pair.trim())).collect()
}

fn pair_of(pair: &str) -> Option<(String, String)> {
    let (name, value) = encoded_pair(pair).or_else(|| plain_pair(pair))?;
    let fits = !name.is_empty() && name.len() <= LENGTH_LIMIT && value.len() <= LENGTH_LIMIT;
    fits.then_some((name, value))
}

/// `name='value'`.
fn encoded_pair(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some((decoded(name)?, decoded(&value.replace("\\'", "'"))?))
}

/// `name:value`.
fn plain_pair(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once(':')?;
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let readable = !value.starts_with("//") && !value.chars().any(char::is_control);
    (is_word && readable).then(|| (name.to_owned(), value.trim().to_owned()))
}

/// Percent-decoded; none where that is no UTF-8 or has control characters.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.trim().as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                after
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let tags = tags(text.as_bytes());
        tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            (
                "select 1 /*action='run%20now',controller='carts',traceparent='00-abc-01'*/",
                "action=run now controller=carts traceparent=00-abc-01",
            ),
            (
                "/*application:Shop,controller:carts,action:index*/ select 1",
                "action=index application=Shop controller=carts",
            ),
            ("select 1 /* application:web , job:mail */", "application=web job=mail"),
            ("/*a='1'*/ select /*b='2'*/ 1 /*a='3'*/", "a=1 b=2"),
            ("select 1 /*route='%2Fcarts%2F%3Aid',by='D%27Arcy'*/", "by=D'Arcy route=/carts/:id"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_tag_is_left_alone() {
        for text in [
            "select 1 /* see https://example.org, and the wiki */",
            "select 1 /* https://example.org */",
            "select '/*a=''1''*/'",
            "select 1 -- /*a='1'*/",
            "select 1 /*+ SeqScan(t) */",
            "select 1 /**/",
            "select 1 /* a = 1 */",
            "select 1 /*a='%00'*/",
            "select 1 /*a='%ff'*/",
            "select 1 /*a='1",
        ] {
            assert_eq!(shown(text), "", "{text}");
        }
    }

    #[test]
    fn hostile_comments_cost_little() {
        let many: Vec<_> = (0..10_000).map(|number| format!("a{number}='x'")).collect();
        let text = format!("select 1 /*{}*/{}", many.join(","), "/*b='1'*/".repeat(10_000));
        assert!(tags(text.as_bytes()).len() <= TAGS_LIMIT);
        assert!(tags(format!("select 1 /*a='{}'*/", "x".repeat(1_000)).as_bytes()).is_empty());
    }
}
