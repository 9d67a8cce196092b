//! What is bound, and what is not.

use super::ValuesApart;
use crate::ShapeRegistry;
use crate::constants::Constants;

/// The text with parameters, the values and the types.
fn apart(text: &str) -> Option<(String, Vec<String>, Vec<u8>)> {
    let observed = ShapeRegistry::new(10).observe_one(text.as_bytes());
    let bindable = &observed.shape.bindable;
    if bindable.is_empty() {
        return None;
    }
    let apart = bindable.take_values(text.as_bytes(), &observed)?;
    let values = apart.values().iter().map(|value| String::from_utf8_lossy(value).into());
    let types = bindable.types()[2..].chunks(4).map(|oid| match oid {
        [0, 0, 0, 0] => b'?',
        [0, 0, 0, 23] => b'i',
        [0, 0, 0, 20] => b'b',
        _ => b'n',
    });
    let values: Vec<_> = values.collect();
    let types: Vec<_> = types.collect();
    assert_eq!(values.len(), types.len());
    Some((String::from_utf8(apart.text.clone()).unwrap(), values, types))
}

#[test]
fn what_is_compared_with_a_column_is_bound() {
    for (text, bound, values, types) in [
        ("select a from t where b = 1", "select a from t where b = $1", "1", "i"),
        (" Select a from t Where t.b=-1 ;", "Select a from t Where t.b=$1", "-1", "i"),
        (
            "select \"a\" from t where \"t\".\"b\" = 'x''y' and (c >= 3000000000 or d < 1.5) limit 21",
            "select \"a\" from t where \"t\".\"b\" = $1 and (c >= $2 or d < $3) limit 21",
            "'x''y' 3000000000 1.5",
            "?bn",
        ),
        (
            "select count(*) from t where a = 1 and b like 'x%' order by 1 for update",
            "select count(*) from t where a = $1 and b like 'x%' order by 1 for update",
            "1",
            "i",
        ),
        (
            "select a from t where b in (1, 2) and c = '' union select 3 from u where d = 4",
            "select a from t where b in (1, 2) and c = $1 union select 3 from u where d = $2",
            "'' 4",
            "?i",
        ),
        (
            "select (select max(x) from u where y = 1), 2 from t where a = 3 and b in (select c from v where d = 4) and e = 5",
            "select (select max(x) from u where y = 1), 2 from t where a = $1 and b in (select c from v where d = 4) and e = $2",
            "3 5",
            "ii",
        ),
    ] {
        let found = apart(text).unwrap_or_else(|| panic!("{text}"));
        let types = types.as_bytes().to_vec();
        assert_eq!((&*found.0, found.1.join(" "), found.2), (bound, values.to_owned(), types));
    }
}

#[test]
fn what_could_mean_something_else_stays() {
    for text in [
        "select a from t",
        "select a = 1 from t group by a = 1",
        "select a from t where 1 = 1",
        "select a from t where a = true and b = null",
        "select a from t where a = 1 + 1",
        "select a from t where a = 1::bigint",
        "select a from t where a = 'x' collate \"C\"",
        "select a from t where a = 'x' 'y'",
        "select a from t where a = 'x'\n'y'",
        "select a from t where a = date '2024-01-01'",
        "select a from t where a = any ('{1}')",
        "select a from t where a like 'x%'",
        "select a from t where a ~ 'x'",
        "select a from t where a + 1 = b",
        "select a from t where f(a) = 1",
        "select a from t where a = $1 and b = 2",
        "select a from t where a = 1 is true",
        "select a from t where a between 1 and 2",
        "select a from t join u on t.a = 1",
        "select a from t order by a = 1",
        "select a from t limit 1",
        "select a into u from t where b = 1",
        "select query from pg_stat_activity where pid = 1",
        "with u as (delete from t returning *) select a from u where b = 1",
        "(select a from t where b = 1)",
        "update t set a = 1 where b = 2",
        "insert into t select a from u where b = 1",
        "select a from t where b = 1 and c = 'x'::regclass",
        "select a as a123456789b123456789c123456789d123456789e123456789f123456789g123456789 from t where b = 1",
        "select U&\"a\" from t where b = 1",
        "select current_query() from t where a = 1",
        "select \"current_query\"() from t where a = 1",
        "select query from \"pg_stat_activity\" where pid = 1",
        "select mine(a) from t where a = 1",
        "table t",
        "select case a when 1 then 2 end from t",
    ] {
        assert_eq!(apart(text), None, "{text}");
    }
}

#[test]
fn what_only_the_server_can_read_stays() {
    for text in [
        "select a from t where b = 'x\\y'",
        "select '\\', a from t where b = 1",
        "select a from t where b = 1and c = 2",
        "select a from t where b = 'x'and c = 2",
        "select a from t where b = -2147483648",
        "select a from t where b = -9223372036854775808",
        "select a from t where b = 99999999999999999999",
        "select a from t where b = 0.12345678901234567890123456789012345678901",
        "/*+ IndexScan(t) */ select a from t where b = 1",
        "select a from t where b = E'x'",
        "select a from t where b = U&'x'",
        "select a from t where b = $$x$$",
        "select a from t where b = 'x",
        "select a from t where b = 'x''",
        "select a from t where b = '''",
        "select a from t where b = - 1",
        "select a from t where b = 1_000",
        "select a from t where b = 0x10",
        "select a from t where b = 1e3",
    ] {
        assert_eq!(apart(text), None, "{text}");
    }
}

#[test]
fn values_lose_their_quotes() {
    for (spelled, value) in
        [("1", "1"), ("-1.50", "-1.50"), ("'x'", "x"), ("''", ""), ("'it''s'''''", "it's''")]
    {
        let mut out = b"before ".to_vec();
        ValuesApart::write_value(spelled.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before {value}"));
    }
}

#[test]
fn many_are_left_alone() {
    let text = |count: usize| {
        let all: Vec<_> = (1..=count).map(|n| format!("a{n} = {n}")).collect();
        format!("select a from t where {}", all.join(" and "))
    };
    let (bound, values, _) = apart(&text(Constants::LIMIT)).unwrap();
    assert!(bound.ends_with(" and a7 = $7 and a8 = $8"), "{bound}");
    assert_eq!(values.len(), Constants::LIMIT);
    assert_eq!(apart(&text(Constants::LIMIT + 1)), None);
}
