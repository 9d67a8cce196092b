//! Settings that a transaction has changed, and which of these changes hold when it ends.

use sql::SettingChange;

use super::{ClientParameters, ServerParameters};

#[derive(Clone, Debug)]
enum Entry {
    Change(SettingChange),
    Savepoint(Box<str>),
}

/// Changes of settings in the transaction that runs. A setting is transactional (manual, SET): it
/// holds once the transaction is committed, and is undone back to a savepoint with everything else.
///
/// Only of settings that the server does not report: what it reports it also reports when it is
/// undone.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
}

/// Changes and savepoints kept of one transaction. One that has more is not followed.
const MAX_ENTRIES: usize = 10_000;

impl Journal {
    /// A statement that changes a setting has succeeded. Gives the change back if there is no room
    /// for it.
    #[must_use]
    pub fn change(&mut self, change: SettingChange) -> Option<SettingChange> {
        self.forget_earlier(&change);
        if self.entries.len() >= MAX_ENTRIES {
            return Some(change);
        }
        self.entries.push(Entry::Change(change));
        None
    }

    /// What the same setting was changed to before, since the last savepoint, will not be seen again.
    fn forget_earlier(&mut self, change: &SettingChange) {
        let Some(name) = one_name(change) else { return };
        let name_in = |entry: &Entry| match entry {
            Entry::Change(change) => one_name(change) == Some(name),
            Entry::Savepoint(_) => false,
        };
        let is_bound = |entry: &Entry| {
            matches!(entry, Entry::Savepoint(_) | Entry::Change(SettingChange::ResetAll))
        };
        let from = self.entries.iter().rposition(is_bound).map_or(0, |at| at + 1);
        if let Some(at) = self.entries[from..].iter().position(name_in) {
            self.entries.remove(from + at);
        }
    }

    /// `SAVEPOINT name` has succeeded. Before the first change it need not be remembered: going
    /// back to an unknown savepoint undoes all changes.
    #[must_use]
    pub fn savepoint(&mut self, name: &str) -> bool {
        let has_room = self.entries.len() < MAX_ENTRIES;
        if !self.entries.is_empty() && has_room {
            self.entries.push(Entry::Savepoint(name.into()));
        }
        has_room
    }

    /// `RELEASE name` has succeeded: that savepoint is gone, and those made after it.
    pub fn release(&mut self, name: &str) {
        let Some(at) = self.find(name) else { return };
        let mut index = 0;
        self.entries.retain(|entry| {
            index += 1;
            index <= at || matches!(entry, Entry::Change(_))
        });
    }

    /// `ROLLBACK TO name` has succeeded: what came after it is undone, the savepoint stays.
    pub fn rollback_to(&mut self, name: &str) {
        self.entries.truncate(self.find(name).map_or(0, |at| at + 1));
    }

    /// The transaction is rolled back.
    pub fn discard(&mut self) {
        self.entries = Vec::new();
    }

    /// The transaction is committed: `client` wants the changes, and `server` has them.
    pub fn commit(&mut self, client: &mut ClientParameters, server: &mut ServerParameters) {
        for entry in std::mem::take(&mut self.entries) {
            if let Entry::Change(change) = entry {
                server.changed(client, change);
            }
        }
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, name: &str) -> Option<usize> {
        let is_it = |entry: &Entry| matches!(entry, Entry::Savepoint(found) if **found == *name);
        self.entries.iter().rposition(is_it)
    }
}

/// The setting that is changed, if it is one.
fn one_name(change: &SettingChange) -> Option<&str> {
    match change {
        SettingChange::Set { name, .. } | SettingChange::Reset { name } => Some(name),
        SettingChange::ResetAll => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(journal: &mut Journal, name: &str) {
        for change in sql::setting_changes(format!("set {name} to 1").as_bytes()).unwrap() {
            assert_eq!(journal.change(change), None);
        }
    }

    /// Which settings hold in the end. `a` sets a, `(x` makes a savepoint, `)x` releases it, `<x`
    /// goes back to it.
    fn after(steps: &str) -> String {
        let mut journal = Journal::default();
        for step in steps.split(' ') {
            match step.split_at(1) {
                ("(", name) => assert!(journal.savepoint(name)),
                (")", name) => journal.release(name),
                ("<", name) => journal.rollback_to(name),
                (name, _) => set(&mut journal, name),
            }
        }
        let (mut client, mut server) = Default::default();
        journal.commit(&mut client, &mut server);
        client.wanted.keys().map(|name| &**name).collect()
    }

    #[test]
    fn what_is_set_again_and_again_is_kept_once() {
        let mut journal = Journal::default();
        for _ in 0..100 {
            set(&mut journal, "a.b");
            set(&mut journal, "c.d");
        }
        assert!(journal.savepoint("s"));
        for _ in 0..100 {
            set(&mut journal, "a.b");
        }
        assert_eq!(journal.entries.len(), 4);
    }

    #[test]
    fn it_is_bounded() {
        let mut journal = Journal::default();
        for n in 0..MAX_ENTRIES {
            set(&mut journal, &format!("a.b{n}"));
        }
        let change = sql::setting_changes(b"set a.c to 1").unwrap().remove(0);
        assert_eq!(journal.change(change.clone()), Some(change));
        assert!(!journal.savepoint("s"));
        assert_eq!(journal.entries.len(), MAX_ENTRIES);
    }

    #[test]
    fn savepoints_undo_what_came_after_them() {
        for (steps, holds) in [
            ("a b", "ab"),
            ("a (x b a <x", "a"),
            ("a b (x a b <x", "ab"),
            ("a (x b <x c", "ac"),
            ("(x a <x b", "b"),
            ("a (x b (y c <x d", "ad"),
            ("a (x b (y c )x d <y", ""),
            ("a (x b )x c", "abc"),
            ("a (x b (x c <x", "ab"),
            ("a (x b (x c )x <x", "a"),
        ] {
            assert_eq!(after(steps), holds, "{steps}");
        }
    }
}
