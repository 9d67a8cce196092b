//! A statement's shape and the hash of its values.

use std::ops::Range;

use model::ShapeId;

use crate::constants::Constants;
use crate::hash;
use crate::lexer::{Literal, Token};
use crate::scan::{Sink, Until, scan};

/// What the hot path learns of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) id: ShapeId,
    pub(crate) values: u64,
    /// None if there is nothing between the semicolons.
    pub(crate) range: Option<Range<usize>>,
    /// Where the search for the statement began, and where the next one begins.
    pub(crate) from: usize,
    pub(crate) next: usize,
    pub(crate) truncated: bool,
    pub(crate) constants: Constants,
}

/// The statement goes on, but was not looked at.
const CUT: u64 = hash::mark(3);
/// A number's sign, in the hash of values.
const SIGN: u64 = hash::mark(4);
const PARAMETER: u64 = hash::mark(5);

const fn typed(literal: Literal) -> u64 {
    hash::mark(match literal {
        Literal::Integer => 16,
        Literal::BigInteger => 17,
        Literal::Numeric => 18,
        Literal::Text => 19,
        Literal::Bits => 20,
        Literal::Boolean => 21,
        Literal::Null => 22,
    })
}

/// The id of a text's shape, by the lexical pass alone. One statement; no semicolon ends it.
#[must_use]
pub fn shape_id(text: &[u8]) -> ShapeId {
    digest(text, 0, Until::TextEnd).id
}

/// Digests the statement of `text` that begins at `from`.
pub(crate) fn digest(text: &[u8], from: usize, until: Until) -> Digest {
    let mut hasher =
        Hasher { shape: hash::EMPTY, values: hash::EMPTY, constants: Constants::default() };
    let extent = scan(text, from, until, &mut hasher);
    if extent.truncated {
        hasher.append(CUT);
    }
    Digest {
        id: ShapeId(hash::id(hasher.shape)),
        values: hasher.values,
        range: extent.range,
        from,
        next: extent.next,
        truncated: extent.truncated,
        constants: hasher.constants,
    }
}

/// Hashes a statement's tokens as they come.
struct Hasher {
    shape: u64,
    values: u64,
    constants: Constants,
}

impl Hasher {
    #[inline(always)]
    fn append(&mut self, token: u64) {
        self.shape = hash::append(self.shape, token);
    }
}

impl Sink for Hasher {
    #[inline(always)]
    fn plain(&mut self, token: &Token) {
        self.append(token.hash);
    }

    #[inline(always)]
    fn constant(&mut self, literal: Literal, token: &Token, start: usize) {
        self.append(typed(literal));
        self.constants.push(start, token.end);
        if start != token.start {
            self.values = hash::append(self.values, SIGN);
        }
        self.values = hash::append(self.values, token.hash);
    }

    #[inline(always)]
    fn parameter(&mut self, number: u32, _token: &Token) {
        self.append(PARAMETER.wrapping_add(u64::from(number)));
    }

    #[inline(always)]
    fn open_list(&mut self) {}

    #[inline(always)]
    fn next_element(&mut self, comma: &Token) {
        self.append(comma.hash);
    }

    #[inline(always)]
    fn close_list(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ShapeId {
        digest(text.as_bytes(), 0, Until::TextEnd).id
    }

    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(id(a), id(b), "{a} | {b}");
    }

    #[track_caller]
    fn different(a: &str, b: &str) {
        assert_ne!(id(a), id(b), "{a} | {b}");
    }

    #[test]
    fn spelling_does_not_count() {
        same("SELECT a FROM t WHERE id = 1", "select  A\nfrom T where ID=2 -- by id");
        same("select a from t", "/* app=shop /* nested */ */ select \"a\" from \"t\";");
        same("select 'a'", "select E'it\\'s'");
        same("select $$a$$", "select $x$ $$ ; $x$");
        same("select 'a'", "select U&'\\0061'");
        same("select b'1'", "select x'ff'");
        same("select a != 1", "select a<>1");
        same("select a::numeric(10, 2)", "select a :: NUMERIC ( 10,2 )");
    }

    #[test]
    fn names_and_words_count() {
        different("select a from t", "select b from t");
        different("select a from t", "select a from \"T\"");
        different("select \"user\"", "select user");
        different("select a from t where b is null", "select a from t where b is not null");
        different("select a from t order by 1", "select a from t order by 2");
        different("select a from t group by 1, 2", "select a from t group by 1, 3");
        different("select a::numeric(10, 2)", "select a::numeric(10, 3)");
        different("set work_mem to default", "set work_mem to 'x'");
        different("select a and b", "select b and a");
        different("select a = 1", "select a =- 1 - 1");
    }

    #[test]
    fn types_count() {
        different("select a where b = 1", "select a where b = '1'");
        different("select a where b = 1", "select a where b = 3000000000");
        different("select a where b = 1", "select a where b = 1.0");
        different("select a where b = 1", "select a where b = 1e3");
        different("select a where b = 1", "select a where b = 99999999999999999999");
        different("select a where b = 1", "select a where b = $1");
        different("select a where b = $1", "select a where b = $2");
        different("select a where b = 1", "select a where b = true");
        different("select a where b = 1", "select a where b = NULL");
        same("select a where b = 0x7fffffff", "select a where b = 2_147_483_647");
        same("select a where b = true", "select a where b = false");
    }

    #[test]
    fn a_sign_belongs_to_its_number() {
        same("select a where b = 1", "select a where b = -1");
        same("select a where b=-1", "select a where b = - 1");
        same("select f(1, 2)", "select f(-1, -2)");
        same("select 1", "select -1");
        same("select a limit 1", "select a limit -1");
        same("select a - 1", "select a - -1");
        different("select a - 1", "select a, -1");
        different("select -$1", "select $1");
        different("select -b", "select b");
        different("select a @- 1", "select a @ - 1");
    }

    #[test]
    fn values_differ_where_the_literals_do() {
        let values = |text: &str| digest(text.as_bytes(), 0, Until::TextEnd).values;
        assert_eq!(values("select a where b = 1"), values("SELECT x  where y = 1"));
        assert_ne!(values("select 1"), values("select 2"));
        assert_ne!(values("select 1"), values("select -1"));
        assert_ne!(values("select 1, 2"), values("select 2, 1"));
        assert_ne!(values("select 'abcdefgh1'"), values("select 'abcdefgh2'"));
        assert_eq!(values("select $1"), values("select a"));
    }

    #[test]
    fn set_config_keeps_its_third_argument() {
        different("select set_config('a', 'b', true)", "select set_config('a', 'b', false)");
        different(
            "select SET_CONFIG('a', 'b', true)",
            "select pg_catalog.\"set_config\"('a', 'b', false)",
        );
    }
}
