//! Pure crates have no sockets, files, clocks and chance of their own: time and randomness are
//! arguments.

use anyhow::Result;

use super::edges::PURE;
use super::fault::Fault;
use super::source::has_word;
use super::tree::Tree;

const BANNED: &[&str] = &[
    "std::net::Tcp",
    "std::net::Udp",
    "TcpStream::",
    "TcpListener::",
    "std::os::unix::net",
    "std::fs",
    "fs::",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::rng(",
    "rand::random",
];

/// Fails for every use of the outside world in a pure crate.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let pure = tree.rust.iter().filter(|file| {
        file.crate_name().is_some_and(|name| PURE.contains(&name) && file.path.contains("/src/"))
    });
    for file in pure {
        for (number, line) in file.production_lines() {
            if let Some(banned) = BANNED.iter().find(|banned| has_word(line, banned)) {
                let name = file.crate_name().unwrap_or_default();
                let message =
                    format!("`{banned}` in the pure crate `{name}`: take it as an argument");
                faults.push(Fault::failure(&file.path, number, message));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let tree = Tree::made_up(&[(path, text)]);
        check(&tree).unwrap().into_iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn a_clock_a_file_and_a_socket_fail_in_a_pure_crate() {
        let text = "use std::fs;\nlet a = Instant::now();\nlet b = std::net::TcpStream::connect(c);\n\
                    let d = fs::read(e);";
        assert_eq!(lines("crates/sql/src/a.rs", text), [1, 2, 3, 4]);
    }

    #[test]
    fn elsewhere_in_tests_in_comments_and_in_strings_they_are_free() {
        let text = "// Instant::now\nlet a = \"std::fs\";\nlet b = offs::c;\n#[cfg(test)]\nmod tests {\n\
                    \x20   use std::fs;\n}\n";
        assert_eq!(lines("crates/sql/src/a.rs", text), [0; 0]);
        assert_eq!(lines("crates/sql/tests/a.rs", "use std::fs;"), [0; 0]);
        assert_eq!(lines("crates/proxy/src/a.rs", "let a = Instant::now();"), [0; 0]);
    }
}
