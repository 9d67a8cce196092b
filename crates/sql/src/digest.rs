//! A statement's ids and the hash of its values.

use std::ops::Range;

use model::{FingerprintId, ShapeId};

use crate::hash;
use crate::lexer::{Literal, Token};
use crate::lists::LISTS;
use crate::scan::{Sink, Until, scan};

/// What the hot path learns of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) id: ShapeId,
    pub(crate) fingerprint: FingerprintId,
    pub(crate) values: u64,
    /// None if there is nothing between the semicolons.
    pub(crate) range: Option<Range<usize>>,
    /// Where the search for the statement began, and where the next one begins.
    pub(crate) from: usize,
    pub(crate) next: usize,
    pub(crate) truncated: bool,
}

/// Any constant or parameter, in fingerprints.
const PLACEHOLDER: u64 = hash::mark(1);
/// More elements like the one before.
const MORE: u64 = hash::mark(2);
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

/// Digests the statement of `text` that begins at `from`.
pub(crate) fn digest(text: &[u8], from: usize, until: Until) -> Digest {
    let mut hasher = Hasher::new();
    let extent = scan(text, from, until, &mut hasher);
    if extent.truncated {
        hasher.append(CUT);
    }
    Digest {
        id: ShapeId(hash::id(hasher.strict)),
        fingerprint: FingerprintId(hash::id(hasher.squashed)),
        values: hasher.values,
        range: extent.range,
        from,
        next: extent.next,
        truncated: extent.truncated,
    }
}

/// A list whose elements are still coming.
#[derive(Clone, Copy)]
struct Elements {
    /// The statement's hash in front of the list.
    before: u64,
    /// The hash of all elements but the present one, none left out.
    all: u64,
    first: u64,
    count: u32,
    /// All elements so far are alike.
    alike: bool,
    /// There is a constant or a parameter in the first element.
    has_value: bool,
}

/// Hashes a statement's tokens as they come.
pub(crate) struct Hasher {
    strict: u64,
    squashed: u64,
    values: u64,
    lists: [Elements; LISTS],
    open_lists: usize,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        let none =
            Elements { before: 0, all: 0, first: 0, count: 0, alike: false, has_value: false };
        Self {
            strict: hash::EMPTY,
            squashed: hash::EMPTY,
            values: hash::EMPTY,
            lists: [none; LISTS],
            open_lists: 0,
        }
    }

    #[inline(always)]
    fn append(&mut self, token: u64) {
        self.strict = hash::append(self.strict, token);
        self.squashed = hash::append(self.squashed, token);
    }

    #[inline(always)]
    fn append_value(&mut self, strict: u64) {
        self.strict = hash::append(self.strict, strict);
        self.squashed = hash::append(self.squashed, PLACEHOLDER);
        for list in self.lists.iter_mut().take(self.open_lists) {
            list.has_value |= list.count == 0;
        }
    }

    /// Takes the element just hashed into its list.
    fn end_element(&mut self) {
        if let Some(list) = self.lists.get_mut(self.open_lists.wrapping_sub(1)) {
            let element = self.squashed;
            if list.count == 0 {
                list.first = element;
            }
            list.alike &= element == list.first;
            list.all = hash::append(list.all, element);
            list.count = list.count.saturating_add(1);
            self.squashed = hash::EMPTY;
        }
    }

    /// Ends the innermost list; true if its elements were squashed into the first.
    pub(crate) fn end_list(&mut self) -> bool {
        self.end_element();
        self.open_lists = self.open_lists.saturating_sub(1);
        let list = self.lists[self.open_lists];
        let squash = list.count >= 2 && list.alike && list.has_value;
        self.squashed = if squash {
            hash::append(hash::append(list.before, list.first), MORE)
        } else {
            hash::append(list.before, list.all)
        };
        squash
    }
}

impl Sink for Hasher {
    #[inline(always)]
    fn plain(&mut self, token: &Token) {
        self.append(token.hash);
    }

    #[inline(always)]
    fn constant(&mut self, literal: Literal, token: &Token, start: usize) {
        self.append_value(typed(literal));
        if start != token.start {
            self.values = hash::append(self.values, SIGN);
        }
        self.values = hash::append(self.values, token.hash);
    }

    #[inline(always)]
    fn parameter(&mut self, number: u32, _token: &Token) {
        self.append_value(PARAMETER.wrapping_add(u64::from(number)));
    }

    #[inline]
    fn open_list(&mut self) {
        if let Some(list) = self.lists.get_mut(self.open_lists) {
            *list = Elements {
                before: self.squashed,
                all: hash::EMPTY,
                first: 0,
                count: 0,
                alike: true,
                has_value: false,
            };
            self.open_lists += 1;
            self.squashed = hash::EMPTY;
        }
    }

    #[inline]
    fn next_element(&mut self, comma: &Token) {
        self.strict = hash::append(self.strict, comma.hash);
        self.end_element();
    }

    #[inline]
    fn close_list(&mut self) {
        self.end_list();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> (ShapeId, FingerprintId) {
        let digest = digest(text.as_bytes(), 0, Until::TextEnd);
        (digest.id, digest.fingerprint)
    }

    /// Same strict id, and so the same fingerprint.
    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(ids(a), ids(b), "{a} | {b}");
    }

    /// Different strict ids, one fingerprint.
    #[track_caller]
    fn alike(a: &str, b: &str) {
        assert_ne!(ids(a).0, ids(b).0, "{a} | {b}");
        assert_eq!(ids(a).1, ids(b).1, "{a} | {b}");
    }

    #[track_caller]
    fn different(a: &str, b: &str) {
        assert_ne!(ids(a).0, ids(b).0, "{a} | {b}");
        assert_ne!(ids(a).1, ids(b).1, "{a} | {b}");
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
    fn types_count_in_the_strict_id_only() {
        alike("select a where b = 1", "select a where b = '1'");
        alike("select a where b = 1", "select a where b = 3000000000");
        alike("select a where b = 1", "select a where b = 1.0");
        alike("select a where b = 1", "select a where b = 1e3");
        alike("select a where b = 1", "select a where b = 99999999999999999999");
        alike("select a where b = 1", "select a where b = $1");
        alike("select a where b = $1", "select a where b = $2");
        alike("select a where b = 1", "select a where b = true");
        alike("select a where b = 1", "select a where b = NULL");
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
    fn lists_are_squashed_in_fingerprints() {
        alike("select a where b in (1, 2)", "select a where b in (1, 2, 3)");
        alike("select a where b in (1, 2)", "select a where b in ($1, $2, $3, -4)");
        alike("select a where b in (1, 2)", "select a where b in ('x', null)");
        alike(
            "select a where (b, c) in ((1, 2), (3, 4))",
            "select a where (b, c) in ((1, 2), (3, 4), (5, 6))",
        );
        alike("select array[1, 2]", "select array[1, 2, 3]");
        alike(
            "select array['a'::text, 'b'::text]",
            "select array['a'::text, 'b'::text, 'c'::text]",
        );
        alike("select array[[1, 2], [3, 4]]", "select array[[1, 2, 3], [3, 4, 5], [6, 7, 8]]");
        alike(
            "insert into t values (1, now()), (2, now())",
            "insert into t values (1, now()), (2, now()), (3, now()) ;",
        );
        alike(
            "insert into t values (1, array[1, 2]), (2, array[1, 2]) on conflict do nothing",
            "insert into t values (1, array[1, 2, 3]), (2, array[1, 5]), ($1, array[7, 8]) on conflict do nothing",
        );
        alike("select * from (values (1), (2)) v", "select * from (values (1), (2), (3)) v");
    }

    #[test]
    fn what_is_no_list_of_values_is_kept() {
        different("select a where b in (1)", "select a where b in (1, 2)");
        different("select a where b in (1, 2)", "select a where b in (1, c)");
        different("select a where b in (c, d)", "select a where b in (c, d, e)");
        different("select a where b in (c, c)", "select a where b in (c, c, c)");
        different("select f(1, 2)", "select f(1, 2, 3)");
        different("insert into t values (1, 2)", "insert into t values (1, 2, 3)");
        different(
            "insert into t values (1), (2)",
            "insert into t values (1), (2) on conflict do nothing",
        );
        different("insert into t values (1), (default)", "insert into t values (1), (2)");
        different("select a[1], array[1, 2]", "select a[1, 2], array[1, 2]");
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
