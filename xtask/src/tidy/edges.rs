//! Which crate may use which. The table is docs/ARCHITECTURE.md's: a crate exists to make the
//! compiler forbid an edge, and this keeps the edges forbidden.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::fault::Fault;
use super::tree::Tree;

/// A crate, and those of ours that it may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &[]),
    ("access", &[]),
    ("sql", &["model"]),
    ("pooling", &["wire", "sql", "model"]),
    ("insight", &["sql", "model"]),
    ("report", &["model"]),
    ("proxy", &["access", "pooling", "wire", "sql", "model"]),
    ("catalog", &["insight", "model"]),
    ("store", &["model"]),
    ("console", &["store", "report", "wire", "model"]),
    ("http", &["report", "model"]),
    (
        "pgweir",
        &[
            "model", "wire", "access", "sql", "pooling", "insight", "report", "proxy", "catalog",
            "store", "console", "http",
        ],
    ),
    ("testkit", &["wire"]),
];

/// Crates without sockets, files and clocks.
pub(super) const PURE: &[&str] =
    &["model", "wire", "access", "sql", "pooling", "insight", "report"];

/// What a pure crate may not depend on.
const IMPURE: &[&str] = &["tokio", "socket2", "tokio-postgres", "deadpool-postgres"];

/// The crate that only tests may use.
const TESTKIT: &str = "testkit";

/// Fails for every dependency that the table does not allow.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut manifests = Vec::new();
    for manifest in &tree.manifests {
        let table: Table = manifest.text.parse().with_context(|| manifest.path.clone())?;
        manifests.push((manifest.path.as_str(), table));
    }
    let ours = shared_names(&manifests);
    let mut faults = Vec::new();
    for (path, table) in &manifests {
        let folder = path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml"));
        let Some(name) = folder else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name) else {
            let message = format!(
                "the crate `{name}` is not in the table of edges: give it a row in \
                 docs/ARCHITECTURE.md and in xtask/src/tidy/edges.rs"
            );
            faults.push(Fault::failure(path, 0, message));
            continue;
        };
        for dependency in dependencies(table) {
            let message = match dependency.ours(&ours) {
                Some(used) => forbidden(name, used, allowed, dependency.for_tests),
                None => impure(name, &dependency),
            };
            faults.extend(message.map(|message| Fault::failure(path, 0, message)));
        }
    }
    Ok(faults)
}

fn forbidden(name: &str, used: &str, allowed: &[&str], for_tests: bool) -> Option<String> {
    if allowed.contains(&used) || (for_tests && used == TESTKIT) {
        return None;
    }
    let allowed = if allowed.is_empty() { "none of ours".into() } else { allowed.join(", ") };
    Some(format!("`{name}` may not use `{used}` (it may use {allowed}; see docs/ARCHITECTURE.md)"))
}

fn impure(name: &str, dependency: &Dependency<'_>) -> Option<String> {
    let banned = IMPURE.contains(&dependency.package) && !dependency.for_tests;
    (banned && PURE.contains(&name)).then(|| {
        format!("`{name}` is pure and may not use `{}` (no sockets, no clocks)", dependency.package)
    })
}

struct Dependency<'a> {
    key: &'a str,
    package: &'a str,
    path: Option<&'a str>,
    for_tests: bool,
}

impl<'a> Dependency<'a> {
    fn new(key: &'a str, value: &'a Value, for_tests: bool) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Self { key, package: text("package").unwrap_or(key), path: text("path"), for_tests }
    }

    /// The folder under `crates/`, if it is one of ours: by its own path, or by the name that the
    /// workspace gives it.
    fn ours(&self, shared: &'a BTreeMap<String, String>) -> Option<&'a str> {
        let own = self.path.and_then(|path| path.rsplit('/').next());
        own.or_else(|| shared.get(self.key).map(String::as_str))
    }
}

/// All dependencies of a manifest, those for one platform included.
fn dependencies(manifest: &Table) -> Vec<Dependency<'_>> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let platforms = platforms.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(platforms) {
        for (section, for_tests) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
            found.extend(entries.map(|(key, value)| Dependency::new(key, value, for_tests)));
        }
    }
    found
}

/// What the workspace calls our crates: from the name to the folder under `crates/`.
fn shared_names(manifests: &[(&str, Table)]) -> BTreeMap<String, String> {
    let root = manifests.iter().find(|(path, _)| *path == "Cargo.toml");
    let shared =
        root.and_then(|(_, table)| table.get("workspace")?.get("dependencies")?.as_table());
    let mut names = BTreeMap::new();
    for (key, value) in shared.into_iter().flatten() {
        let path = value.get("path").and_then(Value::as_str);
        if let Some(folder) = path.and_then(|path| path.strip_prefix("crates/")) {
            names.insert(key.clone(), folder.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = r#"
        [workspace.dependencies]
        model = { package = "pgweir-model", path = "crates/model" }
        insight = { package = "pgweir-insight", path = "crates/insight" }
        testkit = { package = "pgweir-testkit", path = "crates/testkit" }
        tokio = "1"
    "#;

    fn messages(name: &str, manifest: &str) -> Vec<String> {
        let path = format!("crates/{name}/Cargo.toml");
        let tree = Tree::made_up(&[("Cargo.toml", ROOT), (&path, manifest)]);
        let faults = check(&tree).unwrap();
        assert!(faults.iter().all(|fault| fault.path == path));
        faults.into_iter().map(|fault| fault.message).collect()
    }

    #[track_caller]
    fn fails(name: &str, manifest: &str, expected: &str) {
        let messages = messages(name, manifest);
        assert!(messages.len() == 1 && messages[0].contains(expected), "{messages:?}");
    }

    #[test]
    fn allowed_edges_pass() {
        let manifest = "[dependencies]\nmodel.workspace = true\n[dev-dependencies]\n\
                        testkit.workspace = true\ntokio.workspace = true";
        assert_eq!(messages("insight", manifest), [""; 0]);
    }

    #[test]
    fn a_forbidden_edge_is_named_however_it_is_written() {
        let expected = "`proxy` may not use `insight`";
        fails("proxy", "[dependencies]\ninsight.workspace = true", expected);
        fails("proxy", "[dependencies]\ninsight = { workspace = true }", expected);
        fails("proxy", "[dependencies]\nother = { path = \"../insight\" }", expected);
        fails("proxy", "[build-dependencies]\ninsight.workspace = true", expected);
        fails("proxy", "[dev-dependencies]\ninsight.workspace = true", expected);
        fails("proxy", "[target.'cfg(unix)'.dependencies]\ninsight.workspace = true", expected);
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        let expected = "`proxy` may not use `testkit`";
        fails("proxy", "[dependencies]\ntestkit.workspace = true", expected);
        assert_eq!(messages("proxy", "[dev-dependencies]\ntestkit.workspace = true"), [""; 0]);
    }

    #[test]
    fn a_pure_crate_has_no_runtime() {
        let expected = "`insight` is pure and may not use `tokio`";
        fails("insight", "[dependencies]\ntokio.workspace = true", expected);
        fails("insight", "[dependencies]\nio = { package = \"tokio\", version = \"1\" }", expected);
        assert_eq!(messages("proxy", "[dependencies]\ntokio.workspace = true"), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_row_is_told() {
        fails("surprise", "", "the crate `surprise` is not in the table");
    }
}
