//! The command, from input to output.

use std::io::Write;

use super::{FingerprintArguments, FingerprintFormat};

fn run(input: &str, format: Option<FingerprintFormat>, group: bool) -> Result<String, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    let arguments = FingerprintArguments { files: vec![file.path().to_owned()], format, group };
    let mut out = Vec::new();
    match arguments.execute(&mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => Err(format!("{error:#}").replace(&file.path().display().to_string(), "FILE")),
    }
}

fn json(input: &str) -> Vec<serde_json::Value> {
    let out = run(input, None, false).unwrap();
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn sql_reads_well() {
    let script = "select o.total as t from orders o where o.id = 5 /*application='shop'*/;\n\
                  \\timing\nvacuum (analyze) s.orders;";
    insta::assert_snapshot!(run(script, None, false).unwrap());
}

#[test]
fn json_lines_give_json_lines() {
    let input = "{\"sql\": \"select a from t where b = 1\", \"other\": 1}\n\n\
                 {\"query\": \"SELECT x.a AS y FROM t x WHERE x.b = 2\"}\n\
                 {\"statement\": \"-- nothing\"}\n";
    let found = json(input);
    assert_eq!(found.len(), 3);
    for id in ["strict", "fingerprint"] {
        assert_eq!(found[0][id], found[1][id]);
        assert_ne!(found[0][id], found[2][id]);
        assert_eq!(found[0][id].as_str().map(str::len), Some(16));
    }
    assert_ne!(found[0]["shape"], found[1]["shape"]);
    assert_eq!(found[1]["text"], "SELECT x.a AS y FROM t x WHERE x.b = $1");
    assert_eq!(found[1]["tables"], serde_json::json!(["t"]));
    assert_eq!(found[1]["columns"], serde_json::json!(["t.b"]));
    assert_eq!((&found[1]["parsed"], &found[1]["class"]), (&true.into(), &"SELECT".into()));
}

#[test]
fn a_line_with_several_statements_is_known_by_its_last() {
    let found = json("{\"sql\": \"begin; select 1\"}\n{\"sql\": \"select 2\"}");
    assert_eq!(found[0]["strict"], found[1]["strict"]);
    let classes: Vec<_> =
        found[0]["statements"].as_array().unwrap().iter().map(|one| &one["class"]).collect();
    assert_eq!(classes, ["BEGIN", "SELECT"]);
}

/// PostgreSQL 15 hashes the text of utility statements.
#[test]
fn utility_statements_have_a_strict_id_for_each_text() {
    let found =
        json("{\"sql\": \"set a = 1\"}\n{\"sql\": \"set a = 2\"}\n{\"sql\": \" set a = 1 \"}");
    assert_eq!(found[0]["fingerprint"], found[1]["fingerprint"]);
    assert_ne!(found[0]["strict"], found[1]["strict"]);
    assert_eq!(found[0]["strict"], found[2]["strict"]);
}

#[test]
fn groups_are_counted() {
    let script = "select 1; select a from t; select 2; select 'x';";
    let out = run(script, None, true).unwrap();
    let heads: Vec<_> = out.lines().filter(|line| line.contains(" × ")).collect();
    assert_eq!(heads.len(), 2);
    assert!(heads[0].starts_with("       3 × ") && heads[1].starts_with("       1 × "), "{out}");
    let out = run(script, Some(FingerprintFormat::Json), true).unwrap();
    assert!(out.lines().next().unwrap().contains("\"statements_counted\":3"), "{out}");
}

#[test]
fn errors_say_where() {
    assert_eq!(
        run("{\"sql\": \"select 1\"}\n{\"text\": 1}", None, false).unwrap_err(),
        "FILE, line 2: there is no text under \"sql\", \"query\", \"statement\""
    );
    let error = run("{\"sql\": \"select 1\"}\n{oops", None, false).unwrap_err();
    assert!(error.starts_with("FILE, line 2: this is no JSON object: "), "{error}");
}
