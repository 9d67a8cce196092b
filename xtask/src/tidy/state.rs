//! No globals with state: what a function needs, it is given.

use anyhow::Result;

use super::fault::Fault;
use super::source::has_word;
use super::tree::Tree;

const CELLS: &[&str] =
    &["Mutex", "RwLock", "OnceLock", "OnceCell", "Lazy", "Atomic", "RefCell", "DashMap"];

/// Fails for statics that can change, and for thread-locals.
pub(super) fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for file in &tree.rust {
        for (number, line) in file.production_lines() {
            // Alone or after a visibility; a lifetime has its quote.
            let is_static = line.split_whitespace().take(2).any(|word| word == "static");
            let changes = has_word(line, "static mut ")
                || has_word(line, "thread_local!")
                || (is_static && CELLS.iter().any(|cell| line.contains(cell)));
            if changes {
                let message = "a global that can change: pass the state as an argument";
                faults.push(Fault::failure(&file.path, number, message));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::made_up(&[("crates/a/src/a.rs", text)])).unwrap().len()
    }

    #[test]
    fn statics_that_change_fail() {
        assert_eq!(count("static A: Mutex<u32> = Mutex::new(0);"), 1);
        assert_eq!(count("pub(crate) static A: OnceLock<u32> = OnceLock::new();"), 1);
        assert_eq!(count("    static A: AtomicU32 = AtomicU32::new(0);"), 1);
        assert_eq!(count("static mut A: u32 = 0;"), 1);
        assert_eq!(count("thread_local! {\n}"), 1);
    }

    #[test]
    fn constants_lifetimes_and_tests_pass() {
        assert_eq!(count("static A: &[&str] = &[];"), 0);
        assert_eq!(count("fn a(b: &'static Mutex<u32>) {}"), 0);
        assert_eq!(count("#[cfg(test)]\nstatic A: Mutex<u32> = Mutex::new(0);"), 0);
    }
}
