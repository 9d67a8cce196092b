use std::fmt::Write;

use super::{Facts, Operator, Stability, facts};

/// A statement's facts in one line: `tables | predicates | joins | order | group | flags`, each only
/// if there is something. A column is `table.column`, with `?` where the table is not known.
fn shown(text: &str) -> String {
    match facts(text) {
        Ok(facts) => render(&facts),
        Err(error) => format!("unparsed: {}", error.reason),
    }
}

fn render(facts: &Facts) -> String {
    let column = |table: Option<usize>, name: &str| {
        let table = table.map_or("?".to_owned(), |index| {
            facts.tables[index].alias.as_ref().unwrap_or(&facts.tables[index].name).clone()
        });
        format!("{table}.{name}")
    };
    let tables: Vec<_> = facts
        .tables
        .iter()
        .map(|table| {
            let schema = table.schema.as_ref().map(|schema| format!("{schema}."));
            let alias = table.alias.as_ref().map(|alias| format!(" {alias}"));
            format!("{}{}{}", schema.unwrap_or_default(), table.name, alias.unwrap_or_default())
        })
        .collect();
    let mut line = tables.join(", ");
    let mut part = |name: &str, list: Vec<String>| {
        if !list.is_empty() {
            write!(line, " | {name} {}", list.join(", ")).unwrap();
        }
    };
    let operator = |operator| match operator {
        Operator::Like { leading_wildcard, case_insensitive } => {
            format!("like({leading_wildcard:?}, {case_insensitive})")
        }
        other => format!("{other:?}").to_lowercase(),
    };
    let predicates = facts.predicates.iter();
    part(
        "where",
        predicates
            .map(|p| format!("{} {}", column(p.table, &p.column), operator(p.operator)))
            .collect(),
    );
    let joins = facts.joins.iter();
    part(
        "join",
        joins
            .map(|j| format!("{}={}", column(j.left.0, &j.left.1), column(j.right.0, &j.right.1)))
            .collect(),
    );
    let direction = |descending| if descending { " desc" } else { "" };
    let keys = facts.order_by.iter();
    part(
        "order",
        keys.map(|k| format!("{}{}", column(k.table, &k.column), direction(k.descending)))
            .collect(),
    );
    part("group", facts.group_by.iter().map(|(table, name)| column(*table, name)).collect());
    let flags = [(facts.limit, "limit"), (facts.selects_star, "star"), (facts.writes, "writes")];
    let flags: Vec<_> =
        flags.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()).collect();
    part("flags", flags);
    line
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn predicates() {
    check(&[
        ("select a from T where ID = $1", "t | where t.id equal"),
        ("select a from \"T\" x where x.\"Id\" = $1", "T x | where x.Id equal"),
        ("select a from s.t where s.t.b = 5 and 5 < t.c", "s.t | where t.b equal, t.c range"),
        (
            "select a from t where (b in ($1 /*, ... */) and (c between $2 and $3))",
            "t | where t.b in, t.c range",
        ),
        (
            "select a from t where b = any($1) and c is null and d is not null",
            "t | where t.b in, t.c isnull, t.d other",
        ),
        (
            "select a from t where b like 'x%' and c ilike '%x' and d like $1 and e ~~ '_'",
            "t | where t.b like(Some(false), false), t.c like(Some(true), true), t.d like(None, false), t.e like(Some(true), false)",
        ),
        (
            "select a from t where b <> 1 and c not in (1, 2) and d not like 'x' and e @> $1",
            "t | where t.b other, t.c other, t.d other, t.e contains",
        ),
        (
            "select a from t where b = $1::bigint and c = lower($2) and d > now() - interval '1 day'",
            "t | where t.b equal, t.c equal, t.d range",
        ),
        ("select a from t where b = date $1", "t | where t.b equal"),
        (
            "select a from t where (b, c) = ($1, $2) and (d, e) > ($3, $4)",
            "t | where t.b equal, t.c equal, t.d range",
        ),
        ("select a from t where (b, c) in (($1, $2) /*, ... */)", "t | where t.b in, t.c in"),
        (
            "select a from t where active and deleted is false",
            "t | where t.active istrue, t.deleted other",
        ),
        (
            "select a from t where b = (select max(x) from u where y = $1)",
            "t, u | where t.b equal, u.y equal",
        ),
        ("select a from t where b = c and c = 1", "t | where t.c equal"),
        ("select a from t limit $1 offset 5", "t | flags limit"),
        ("select * from t fetch first 5 rows only", "t | flags limit, star"),
    ]);
}

#[test]
fn what_no_index_on_the_column_answers_is_left_out() {
    check(&[
        ("select a from t where b = 1 or c = 2", "t"),
        ("select a from t where not (b = 1)", "t"),
        ("select a from t where lower(b) = $1 and c::text = $2 and d + 1 = 5", "t"),
        ("select a from t where b = case when c > 1 then 2 end", "t"),
        ("select a from t where b > c + 1", "t"),
        ("select a from t having count(b) > 1", "t"),
    ]);
}

#[test]
fn joins() {
    check(&[
        (
            "select o.* from orders o join customers c on c.id = o.customer_id and c.vip = $1 where o.total > 5",
            "orders o, customers c | where c.vip equal, o.total range | join c.id=o.customer_id | flags star",
        ),
        ("select a from t left join u using (id, x)", "t, u | join t.id=u.id, t.x=u.x"),
        (
            "select a from t, u where t.id = u.t_id and name = $1",
            "t, u | where ?.name equal | join t.id=u.t_id",
        ),
        ("select a from t join u on t_id = id", "t, u | join ?.t_id=?.id"),
        ("select a from t cross join (u join v on u.x = v.x)", "t, u, v | join u.x=v.x"),
        ("select a from t x join t y on x.parent = y.id", "t x, t y | join x.parent=y.id"),
        (
            "select a from t join (select b from u where c = 1) s on s.b = t.b where s.b = 2",
            "t, u | where u.c equal",
        ),
        ("select a from t, lateral (select b from u where u.x = t.x) s", "t, u | join u.x=t.x"),
        (
            "select a from t, generate_series(1, 2) g where t.x = $1 and y = $2",
            "t | where t.x equal, ?.y equal",
        ),
        ("select a from t join u on t.x = u.x join v using (y)", "t, u, v | join ?.y=v.y, t.x=u.x"),
    ]);
}

#[test]
fn subqueries_and_expressions_with_names() {
    check(&[
        (
            "select a from t where exists (select 1 from u where u.t_id = t.id and x = 1)",
            "t, u | where u.x equal | join u.t_id=t.id",
        ),
        (
            "select a from t where b in (select c from u where d = 1)",
            "t, u | where t.b in, u.d equal",
        ),
        ("select (select count(*) from u where u.t_id = t.id) from t", "t, u | join u.t_id=t.id"),
        (
            "with x as (select a from t where b = 1) select * from x where a = 2",
            "t | where t.b equal | flags star",
        ),
        ("with t as (select * from t where b = 1) select a from t", "t | where t.b equal"),
        (
            "with recursive x as (select a from t union all select t.a from t join x on x.a = t.p) select a from x",
            "t, t",
        ),
        (
            "select a from t union select b from u where c = 1 union all (select d from v where e = 2) limit 5",
            "v, u, t | where v.e equal, u.c equal | flags limit",
        ),
        ("select coalesce(a, (select b from u where u.x = 1)) from t", "t, u | where u.x equal"),
        ("select a from t union table u", "u, t | flags star"),
        ("values (1, (select a from t where b = 1))", "t | where t.b equal"),
    ]);
}

#[test]
fn order_and_group() {
    check(&[
        ("select a, b from t order by a, b desc limit 1", "t | order t.a, t.b desc | flags limit"),
        ("select a from t order by lower(a), b", "t"),
        ("select a from t order by b, lower(a), c", "t | order t.b"),
        ("select a as x, count(*) from t group by 1 order by x, 2", "t | order t.a | group t.a"),
        (
            "select t.a, u.b from t, u group by t.a, u.b, c order by u.b",
            "t, u | order u.b | group t.a, u.b, ?.c",
        ),
        ("select a from (select b from t order by b limit 5) s order by c", "t"),
        ("select lower(a) as a from t order by a", "t"),
    ]);
}

#[test]
fn writes() {
    check(&[
        (
            "update t set a = 1, b = (select x from u where y = 1) where id = $1 and t.c > 2",
            "t, u | where u.y equal, t.id equal, t.c range | flags writes",
        ),
        (
            "update t as z set a = u.a from u where u.id = z.u_id",
            "t z, u | join u.id=z.u_id | flags writes",
        ),
        ("delete from t where id in ($1) returning *", "t | where t.id in | flags writes"),
        (
            "delete from t using u where t.u_id = u.id and u.x = 1",
            "t, u | where u.x equal | join t.u_id=u.id | flags writes",
        ),
        (
            "insert into s.t (a) values ($1) on conflict (a) do update set a = excluded.a",
            "s.t | flags writes",
        ),
        ("insert into t select * from u where a = 1", "t, u | where u.a equal | flags writes"),
        (
            "with d as (delete from t where a = 1 returning b) insert into u select b from d",
            "t, u | where t.a equal | flags writes",
        ),
        (
            "merge into t using u on t.id = u.id and u.x = 1 when matched then delete",
            "t, u | where u.x equal | join t.id=u.id | flags writes",
        ),
        ("create table t (a int)", ""),
    ]);
}

#[test]
fn what_cannot_be_parsed_says_why() {
    check(&[
        ("", "unparsed: there is no statement"),
        ("select 1; select 2", "unparsed: there are several statements"),
        (
            "selec 1",
            "unparsed: sql parser error: Expected: an SQL statement, found: selec at Line: 1, Column: 1",
        ),
    ]);
    assert!(shown("select 'x").starts_with("unparsed: "));
}

/// Runs on a test's thread, whose stack is that of a tokio worker, in a build without optimisation:
/// an overflow would abort the run. A parser that tries all readings would not come back.
#[test]
fn hostile_nesting_neither_overflows_nor_hangs() {
    let long = 1_000_000;
    for text in [
        "(".repeat(long),
        format!("select {}1", "(".repeat(long)),
        format!("select {}1{}", "(".repeat(30), ")".repeat(30)),
        format!("select {}1{}", "a(".repeat(49), ")".repeat(49)),
        format!("select {}1{}", "case when ".repeat(60), " then 1 end".repeat(60)),
        format!("select 1{}", "+1".repeat(long)),
        format!("select 1{}", "+1".repeat(1_990)),
        format!("select a{}", "::int".repeat(1_990)),
        format!("select a{}", "[1]".repeat(1_300)),
        format!("select {}1", "- ".repeat(3_900)),
        format!("select {}1", "not ".repeat(3_900)),
        format!("select 1 where a = 1{}", " and a = 1".repeat(990)),
        format!("select 1 where a{}", " is null".repeat(1_900)),
        format!("select 1{}", " union select 1".repeat(1_300)),
        format!("select * from {}t{}", "(".repeat(8), ")".repeat(8)),
        format!("select * from {}t{}", "( (select 1) ".repeat(20), ")".repeat(20)),
        format!("select * from {}t{}", "(a join ".repeat(40), " on true)".repeat(40)),
        format!("select * from {}select 1{}", "(select * from ".repeat(24), ") x".repeat(24)),
        format!("select * from t{}", " join (t".repeat(48)),
        format!("create table t (a {})", "array<".repeat(2_000)),
        format!("select cast(a as {})", "struct<a ".repeat(2_000)),
        format!("{}select 1", "with a as (".repeat(49)),
        format!("{}select 1", "explain ".repeat(3_900)),
        format!("select 1 in {}", "(select 1 in ".repeat(49)),
        "select a.".repeat(2_000),
        "select [".repeat(49),
        "{".repeat(3_900),
        "select {a: ".repeat(40),
    ] {
        let started = std::time::Instant::now();
        let _outcome = facts(&text);
        let taken = started.elapsed();
        assert!(taken.as_secs() < 10, "{taken:?}: {}", &text[..60]);
    }
}

#[test]
fn what_else_an_index_may_answer() {
    let read = |text: &str| facts(text).unwrap();
    let names = |predicates: &[crate::Predicate]| {
        predicates.iter().map(|one| one.column.clone()).collect::<Vec<_>>().join(" ")
    };
    let both = read("select a from t where (b = 1 and c = 2) or (c = 2 and d > $1)");
    assert_eq!((names(&both.predicates), names(&both.alternatives)), ("c".into(), "b d".into()));
    assert_eq!(both.predicates[0].constant.as_deref(), Some("2"));
    let computed = |text: &str| {
        read(text)
            .computed
            .iter()
            .map(|one| {
                let indexable = match &one.stability {
                    Stability::Immutable => String::new(),
                    Stability::Unsure => ", no index".to_owned(),
                    by_type => format!(", {by_type:?}"),
                };
                format!("{} {:?}{indexable}", one.expression, one.operator)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(computed("select a from t where lower(t.b) = $1"), ["lower(b) Equal"]);
    assert_eq!(computed("select a from t where b ->> 'k' in ($1)"), ["b ->> 'k' In"]);
    let int = computed("select a from t where (b ->> 'k')::int = 1");
    assert_eq!(int, ["(b ->> 'k')::INT Equal"]);
    for (condition, said) in [
        ("b ->> $1 = $2", "b ->> $1 Equal, no index"),
        ("coalesce(b, $1) = $2", "coalesce(b, $1) Equal, no index"),
        ("coalesce(b, now()) = $2", "coalesce(b, now()) Equal, no index"),
        ("left(b, $1) = $2", "left(b, $1) Equal, no index"),
        ("substring(b from 1 for $1) = $2", "SUBSTRING(b FROM 1 FOR $1) Equal, no index"),
        ("date_trunc($1, b) = $2", "date_trunc($1, b) Equal, no index"),
        ("date_trunc('day', b) = $2", "date_trunc('day', b) Equal, DateTrunc"),
        ("extract(year from b) = $1", "EXTRACT(YEAR FROM b) Equal, Extract"),
        ("b::date = $1", "b::DATE Equal, Cast(\"date\")"),
        ("lower(b::text) = $1", "lower(b::TEXT) Equal, Cast(\"text\")"),
        ("(b ->> 'k')::date = $1", "(b ->> 'k')::DATE Equal, no index"),
        ("to_tsvector(b) @@ $1", "to_tsvector(b) Matches, no index"),
        ("to_tsvector('english', b) @@ $1", "to_tsvector('english', b) Matches"),
    ] {
        assert_eq!(computed(&format!("select a from t where {condition}")), [said]);
    }
    assert!(computed("select a from t, u where coalesce(t.b, u.b) = 1").is_empty());
    assert!(computed("select a from t where random() < 1 or lower(b) = 'x'").is_empty());
    let age = computed("select a from t where age(b) > $1 and not lower(c) = $2");
    assert_eq!(age, ["age(b) Range, no index"]);
    assert_eq!(computed("select a from t where date(b) = $1"), ["date(b) Equal, no index"]);
    assert_eq!(computed("select a from t where b * $1 > $2"), ["b * $1 Range, no index"]);
    assert!(computed("select a from t where (b, c) = ($1, $2)").is_empty());
}

#[test]
fn every_column_is_named_once() {
    let named = |text: &str| {
        let facts = facts(text).unwrap();
        let columns = facts.columns.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>();
        (columns.join(" "), facts.whole)
    };
    let text = "select sum(t.a * b) from t where c = 1 group by d having max(a) > 2 order by e";
    assert_eq!(named(text), ("c b a d e".into(), vec![]));
    let text = "select count(*) from t where exists (select * from u where u.x = t.y)";
    assert_eq!(named(text), ("y x".into(), vec![]), "the inner list is not looked at");
    assert_eq!(named("select * from t").1, [0]);
    assert_eq!(named("select x.* from (select * from t) x").1, [0]);
}

#[test]
fn a_bare_name_in_a_subquery_may_be_of_the_query_around_it() {
    check(&[(
        "select a from t where exists (select 1 from u where u_t = t_id and x < y)",
        "t, u | join u.u_t=u.t_id",
    )]);
}
