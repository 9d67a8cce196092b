use model::{FingerprintId, StrictId};

use super::*;

fn both(text: &str) -> (StrictId, FingerprintId) {
    let ids = ids(text.as_bytes(), crate::classify::classify(text.as_bytes()).0, false);
    (ids.strict, ids.fingerprint)
}

/// Same strict id, and so the same fingerprint.
#[track_caller]
fn same(a: &str, b: &str) {
    assert_eq!(both(a), both(b), "{a} | {b}");
}

/// Different strict ids, one fingerprint.
#[track_caller]
fn alike(a: &str, b: &str) {
    assert_ne!(both(a).0, both(b).0, "{a} | {b}");
    assert_eq!(both(a).1, both(b).1, "{a} | {b}");
}

#[track_caller]
fn different(a: &str, b: &str) {
    assert_ne!(both(a).0, both(b).0, "{a} | {b}");
    assert_ne!(both(a).1, both(b).1, "{a} | {b}");
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
    same("select a::numeric(10, 2)", "select a::numeric(10, 3)");
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
    alike("select array['a'::text, 'b'::text]", "select array['a'::text, 'b'::text, 'c'::text]");
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
fn names_that_only_label_do_not_count() {
    same("select a as b, c d from t", "select a, c as \"X\" from t");
    same("select a from t", "select x.a from t as x");
    same("select a from t", "select t.a from t");
    same("select * from t", "select x.* from s.t x".replace("s.t", "t").as_str());
    same("select count(*) n from t", "select count(*) from t");
    same(
        "select x.a, y.b from t x join u y on x.id = y.id where x.c = 1",
        "select t.a, u.b from t inner join u on t.id = u.id where t.c = 2",
    );
    same(
        "select a from t x where exists (select 1 from u y where y.id = x.id)",
        "select a from t where exists (select 1 from u where u.id = t.id)",
    );
    same("update t x set a = 1 where x.b = 2", "update t set a = 5 where t.b = 3");
    same("delete from t as x where x.b = 2", "delete from t where b = 3");
    same("with w(x) as (select 1) select * from w", "with w as (select 1) select * from w");
    different("select t.a from t join u on true", "select u.a from t join u on true");
    different("select a, b from t", "select b, a from t");
    different("select a b from t", "select a, b from t");
}

#[test]
fn what_ends_an_expression_is_no_label() {
    different("select a is null from t", "select a from t");
    different("select interval '1' year", "select a");
    different("select a collate x from t", "select a collate y from t");
    different("select a at time zone b from t", "select a at time zone c from t");
    different("select sum(a) over w from t", "select sum(a) over v from t");
    same("select case when a then b end from t", "select case when a then b end x from t");
    same("select a::timestamp with time zone x", "select a::timestamptz");
    same("select a::double precision", "select a::float8 as b");
}

#[test]
fn keys_are_known_by_their_place() {
    same("select a, b from t order by 2", "select a, b from t order by b asc");
    same("select a, f(b) x from t order by x", "select a, f(b) from t order by 2");
    same("select a, count(*) from t group by 1", "select a, count(*) from t group by a");
    different("select a, b from t order by 1", "select a, b from t order by 2");
    different("select a, b from t order by 2", "select a, b from t order by 2 desc");
    different("select * from t order by 1", "select * from t order by 2");
    same(
        "select a x from t union select b from u order by x",
        "select a from t union select b from u order by 1"
            .replace("order by 1", "order by a")
            .as_str(),
    );
}

#[test]
fn constants_are_known_by_their_type() {
    same("select date '2026-01-01'", "select '2026-01-01'::date");
    same("select cast('1' as int4)", "select 1");
    same("select interval '1' day", "select interval '1 2' day to hour");
    same("select bool 't'", "select true");
    same("select a where b = null", "select a where b = 'x'");
    same("select x::jsonb @> '{}'", "select x::jsonb @> '{}'::jsonb");
    same("select a in (1, null)", "select a in (1, 2)");
    same("insert into t values (1, null)", "insert into t values ('x', 2.5)");
    same("update t set a = null", "update t set a = 5");
    same("select nextval('s')", "select nextval('s'::regclass)");
    different("select '1'::json", "select '1'::jsonb");
    different("select a::json", "select a::jsonb");
    different("insert into t values (1, f(2))", "insert into t values (1, 2)");
}

#[test]
fn spellings_of_one_tree() {
    same("select cast(a as int)", "select a::integer");
    same("select a from t left outer join u on x = y", "select a from t left join u on x = y");
    same("select a where b like 'x'", "select a where b ~~ 'y'");
    same("select a where (b = 1) and ((c = 2))", "select a where b = 1 and c = 2");
    same("select a where b isnull", "select a where b is null");
    same("select pg_catalog.lower(a)", "select lower(a)");
    same("select a limit 5", "select a fetch first 7 rows only");
    same("select extract(year from a)", "select extract(month from a)");
    same("select f(a := 1)", "select f(a => 1)");
    different("select a where (b = 1 or c = 2) and d", "select a where b = 1 or c = 2 and d");
    different("select (a + b) * c", "select a + b * c");
    different("select a from t left join u on x = y", "select a from t join u on x = y");
}

#[test]
fn hostile_nesting_takes_no_time() {
    for (open, close) in [
        ("(select 1 order by ", ")"),
        ("(select distinct on (", ") a from t)"),
        ("(select a group by ", ")"),
        ("(select * from (select 1) x where a in ", ")"),
        ("((", "))"),
        ("f(", ")"),
        ("array[", "]"),
        ("cast(", " as int)"),
        ("(select a union ", ")"),
    ] {
        for depth in [25, 59, 5_000] {
            let text = format!("select {}1{}", open.repeat(depth), close.repeat(depth));
            let started = std::time::Instant::now();
            let _ids = both(&text);
            assert!(started.elapsed().as_secs() < 2, "{open} {depth}");
        }
    }
    for text in [
        format!("select {} from {}", "t.a, ".repeat(8_000), "t, ".repeat(8_000)),
        format!("select {}a order by {}b", "a, ".repeat(9_000), "b, ".repeat(9_000)),
    ] {
        let started = std::time::Instant::now();
        let _ids = both(&text);
        assert!(started.elapsed().as_secs() < 5);
    }
}
