//! Any bytes at all, and statements built so that what may not count can be varied.

use std::collections::HashSet;

use pgweir_sql::{Shape, ShapeRegistry, facts};
use proptest::prelude::*;

/// Texts of the characters and words that the lexer has to tell apart.
fn sql_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "$",
        "$$",
        "$a$",
        "$1",
        "$99999999999",
        "--",
        "/*",
        "*/",
        "\n",
        "\\",
        "E'",
        "U&'",
        "U&\"",
        "x'",
        "b'",
        "n'",
        ";",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "..",
        ":",
        "::",
        ":=",
        "+",
        "-",
        "*",
        "=",
        "<>",
        "!=",
        "@-",
        "1",
        "0x",
        "0xf",
        "1e",
        "1e5",
        "1.",
        ".5",
        "1_0",
        "in",
        "values",
        "array",
        "select",
        "with",
        "order",
        "by",
        "group",
        "create",
        "function",
        "begin",
        "atomic",
        "case",
        "end",
        "set_config",
        "pg_advisory_lock",
        "true",
        "null",
        "numeric",
        "a",
        "ä",
        "\u{0}",
        " ",
        " ",
        " ",
        "insert",
        "into",
        " as ",
        " from ",
        " join ",
        " on ",
        " using ",
        " where ",
        " union ",
        " cast(",
        " interval ",
        " fetch ",
        " limit ",
        " returning ",
        " set ",
        " update ",
        " delete ",
        " merge ",
        " lateral ",
        " only ",
        " table ",
        " tablesample ",
        " at time zone ",
        " extract(",
        " overriding ",
        " with ordinality ",
        " distinct on (",
        " timestamp with time zone ",
        " over ",
        "temp",
        "declare",
        "hold",
        "not",
        "is",
    ]);
    prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

fn check(text: &[u8]) {
    let registry = ShapeRegistry::new(1_000);
    let mut out = Vec::new();
    registry.observe(text, &mut out);
    let mut end = 0;
    for one in &out {
        assert!(one.range.start >= end && one.range.start < one.range.end);
        assert!(one.range.end <= text.len());
        end = one.range.end;
        assert!(one.shape.text().len() <= Shape::TEXT_LIMIT);
        assert_ne!(one.shape.id.0, 0);
        assert_ne!((one.shape.strict().0, one.shape.fingerprint().0), (0, 0));
        // A statement by itself is what it was in the text.
        let alone = registry.observe_one(&text[one.range.clone()]);
        assert_eq!(alone.range, 0..one.range.len());
        assert_eq!((alone.shape.id, alone.values), (one.shape.id, one.values));
        let _either_way = facts(one.shape.text());
    }
    let one = registry.observe_one(text);
    assert!(one.range.end <= text.len());
    let known: HashSet<_> = out.iter().map(|one| one.shape.id).chain([one.shape.id]).collect();
    assert_eq!(registry.len(), known.len());
}

/// Statements in pieces: what is fixed, and between it literals that may be anything.
fn statement() -> impl Strategy<Value = (Vec<&'static str>, usize)> {
    let templates: Vec<Vec<&'static str>> = vec![
        vec!["SELECT a FROM t WHERE b =", "AND c >", "LIMIT", ""],
        vec!["INSERT INTO t VALUES (", ",", ",", ") RETURNING id"],
        vec!["UPDATE \"T\" SET a = f(", ", x), b = b +", "WHERE id IN (", ", y)"],
        vec!["DELETE FROM t WHERE a ->> 'k' =", "OR NOT b LIKE", "AND c = ANY (ARRAY[", "])"],
    ];
    prop::sample::select(templates).prop_map(|template| {
        let gaps = template.len() - 1;
        (template, gaps)
    })
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        "'[a-z;(),$ -]{0,20}'",
        "\\$q\\$[a-z';(), -]{0,20}\\$q\\$",
        "'[a-z]{0,5}''[a-z]{0,5}'",
    ]
}

fn gap() -> impl Strategy<Value = String> {
    prop_oneof!["[ \t\n]{1,5}", " /\\*[a-z;'$ ]{0,10}\\*/ ", " --[a-z;'$ ]{0,10}\n"]
}

fn ids(text: &str) -> (model::ShapeId, model::FingerprintId) {
    let shape = ShapeRegistry::new(10).observe_one(text.as_bytes()).shape;
    (shape.id, shape.fingerprint())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn anything_like_sql_is_survived(text in sql_like()) {
        check(text.as_bytes());
    }

    #[test]
    fn literals_white_space_comments_and_case_do_not_count(
        (template, gaps) in statement(),
        first in prop::collection::vec((gap(), literal(), gap()), 3),
        second in prop::collection::vec((gap(), literal(), gap()), 3),
    ) {
        let fill = |fillings: &[(String, String, String)], case: fn(&str) -> String| {
            let mut text = String::new();
            for (index, piece) in template.iter().enumerate() {
                text.push_str(&case(piece));
                if index < gaps {
                    let (before, literal, after) = &fillings[index];
                    text.extend([before.as_str(), literal, after]);
                }
            }
            text
        };
        let same = fill(&first, str::to_owned);
        // The quoted name keeps its case.
        let other = fill(&second, |piece| piece.to_lowercase().replace("\"t\"", "\"T\""));
        prop_assert_eq!(ids(&same), ids(&other), "{} | {}", same, other);
        let registry = ShapeRegistry::new(10);
        let values = |text: &str| registry.observe_one(text.as_bytes()).values;
        let literals = |list: &[(String, String, String)]| {
            list[..gaps].iter().map(|(_, literal, _)| literal.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(
            values(&same) == values(&other),
            literals(&first) == literals(&second)
        );
        prop_assert_eq!(registry.len(), 1);
    }

    #[test]
    fn list_lengths_do_not_count_in_fingerprints(
        one in prop::collection::vec(literal(), 2..20),
        other in prop::collection::vec(literal(), 2..20),
    ) {
        let list = |list: &[String]| format!("select a from t where b in ({})", list.join(", "));
        let (a, b) = (ids(&list(&one)), ids(&list(&other)));
        prop_assert_eq!(a.1, b.1);
        prop_assert_eq!(a.0 == b.0, one.len() == other.len());
    }
}

#[test]
fn a_million_texts_stay_within_the_limit() {
    let registry = ShapeRegistry::new(1_000);
    let mut others = 0;
    for number in 0..1_000_000 {
        let shape = registry.observe_one(format!("select c{number} from t").as_bytes()).shape;
        others += usize::from(shape.id == model::ShapeId::OTHERS);
        assert_eq!(shape.keyword, "SELECT");
    }
    assert_eq!((registry.len(), others), (1_000, 999_000));
    assert!(registry.take_new().len() <= 1_000);
}

/// A text made to be read again and again would take many minutes here instead of a moment.
#[test]
fn time_grows_with_the_length_only() {
    let registry = ShapeRegistry::new(1_000);
    for piece in [
        "+-",
        "-+",
        "$a",
        "$a$",
        "$$ $a",
        "(",
        "in (",
        "values (",
        "array[",
        "'",
        "/*",
        "a(",
        "/",
        "E'\\",
        ";",
        "0x",
        "1.",
        "1_",
        "with a as (",
        "set_config(",
        "in ((",
        "(1), ",
    ] {
        for prefix in ["", "select ", "values ", "insert into t values "] {
            let text = format!("{prefix}{}", piece.repeat(200_000 / piece.len()));
            let started = std::time::Instant::now();
            let mut out = Vec::new();
            registry.observe(text.as_bytes(), &mut out);
            let _one = registry.observe_one(text.as_bytes());
            assert!(started.elapsed().as_secs() < 3, "{prefix}{piece}");
        }
    }
}
