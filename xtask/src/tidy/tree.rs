//! The repository's files, read once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::source;

/// A Rust file.
#[derive(Debug)]
pub(super) struct RustFile {
    /// From the root, with `/`.
    pub(super) path: String,
    /// As written.
    pub(super) text: String,
    /// The same lines with comments and the contents of strings blanked.
    pub(super) code: String,
    /// For each line, whether it is part of a test.
    in_test: Vec<bool>,
    /// Whether the whole file serves tests or the project's own commands.
    is_test: bool,
}

impl RustFile {
    fn new(path: String, text: String) -> Self {
        let code = source::blank_comments_and_strings(&text);
        let in_test = source::test_lines(&code);
        let is_test = path.starts_with("crates/testkit/")
            || path.starts_with("xtask/")
            || path.ends_with("tests.rs")
            || path.split('/').any(|part| ["tests", "benches", "fuzz"].contains(&part));
        Self { path, text, code, in_test, is_test }
    }

    /// The paths, without `.rs`, of the modules that this file declares for tests only.
    fn test_modules(&self) -> impl Iterator<Item = String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        source::test_modules(&self.code, &self.in_test).map(move |name| format!("{folder}/{name}"))
    }

    /// The folder under `crates/`, if the file is in one.
    pub(super) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// The lines that are neither comment, nor string, nor test, numbered from 1.
    pub(super) fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let whole = self.is_test;
        let lines = self.code.lines().zip(&self.in_test).zip(1..);
        lines.filter(move |((_, in_test), _)| !whole && !**in_test).map(|((line, _), n)| (n, line))
    }
}

/// A file that is not Rust.
#[derive(Debug)]
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// What the rules look at.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) rust: Vec<RustFile>,
    pub(super) markdown: Vec<TextFile>,
    /// `Cargo.toml` of the workspace and of its packages.
    pub(super) manifests: Vec<TextFile>,
    /// Every path there is, files and folders, from the root.
    pub(super) paths: Vec<String>,
}

impl Tree {
    /// Reads the repository; hidden folders, links and build output are passed over.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        tree.mark_test_modules();
        Ok(tree)
    }

    /// A file is a test if its module is declared under `#[cfg(test)]`, and so are those below it.
    fn mark_test_modules(&mut self) {
        let modules: Vec<String> = self.rust.iter().flat_map(RustFile::test_modules).collect();
        for file in &mut self.rust {
            let stem = file.path.trim_end_matches(".rs");
            file.is_test |= modules.iter().any(|module| {
                stem.strip_prefix(module)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        }
    }

    fn read_folder(&mut self, folder: &Path, path: &str) -> Result<()> {
        let reading = || format!("reading {}", folder.display());
        let entries = fs::read_dir(folder).with_context(reading)?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>().with_context(reading)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let kind = entry.file_type().with_context(reading)?;
            self.paths.push(path.clone());
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                self.read_folder(&entry.path(), &path)?;
            } else if kind.is_file() {
                self.read_file(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, file: &Path, path: String) -> Result<()> {
        let wanted = [".rs", ".md", "Cargo.toml"].iter().any(|end| path.ends_with(end));
        if !wanted {
            return Ok(());
        }
        let text = fs::read_to_string(file).with_context(|| format!("reading {path}"))?;
        if path.ends_with(".rs") {
            self.rust.push(RustFile::new(path, text));
        } else if path.ends_with(".md") {
            self.markdown.push(TextFile { path, text });
        } else {
            self.manifests.push(TextFile { path, text });
        }
        Ok(())
    }

    /// A tree of these files, written to a directory and read as the real one is.
    #[cfg(test)]
    pub(super) fn made_up(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self::read(root.path()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_folders_and_build_output_are_passed_over() {
        let tree = Tree::made_up(&[
            ("crates/a/src/lib.rs", ""),
            ("target/b.rs", ""),
            (".hidden/c.rs", ""),
            ("docs/d.md", ""),
        ]);
        assert_eq!(tree.rust.len(), 1);
        assert_eq!(tree.rust[0].crate_name(), Some("a"));
        assert_eq!(tree.markdown[0].path, "docs/d.md");
    }

    #[test]
    fn modules_declared_for_tests_have_no_production_lines() {
        let declared =
            "#[cfg(test)]\nmod example;\n#[cfg(test)]\npub(crate) mod other;\nmod real;\n";
        let tree = Tree::made_up(&[
            ("crates/a/src/b.rs", declared),
            ("crates/a/src/b/example.rs", "fn a() {}"),
            ("crates/a/src/b/other/mod.rs", "fn a() {}"),
            ("crates/a/src/b/real.rs", "fn a() {}"),
            ("crates/a/src/example.rs", "fn a() {}"),
        ]);
        let counts =
            tree.rust.iter().map(|file| (file.path.as_str(), file.production_lines().count()));
        let expected = [
            ("crates/a/src/b/example.rs", 0),
            ("crates/a/src/b/other/mod.rs", 0),
            ("crates/a/src/b/real.rs", 1),
            ("crates/a/src/b.rs", 1),
            ("crates/a/src/example.rs", 1),
        ];
        assert_eq!(counts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn files_of_tests_have_no_production_lines() {
        let lines = |path: &str| {
            let tree = Tree::made_up(&[(path, "fn a() {}\n")]);
            tree.rust[0].production_lines().count()
        };
        assert_eq!(lines("crates/a/src/a.rs"), 1);
        for path in ["crates/a/tests/a.rs", "crates/a/src/a_tests.rs", "crates/testkit/src/a.rs"] {
            assert_eq!(lines(path), 0, "{path}");
        }
    }
}
