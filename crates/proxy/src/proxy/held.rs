//! What an admin holds back: paused and disabled databases, or everything.

use std::collections::BTreeSet;

use model::{CommandError, PoolerState};

/// What an admin holds back.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Everything, by PAUSE, KILL or SUSPEND without a database.
    pub(super) pooler: PoolerState,
    /// Databases paused or killed by name.
    pub(super) paused: BTreeSet<String>,
    /// Databases that let nobody log in.
    pub(super) disabled: BTreeSet<String>,
    /// Another process is about to serve in this one's place: who is held here would not hear of its
    /// RESUME.
    pub(super) is_passed_on: bool,
}

impl Held {
    /// Whether no server connection of the database is given out.
    pub(super) fn is_paused(&self, database: &str) -> bool {
        self.pooler == PoolerState::Paused || self.paused.contains(database)
    }

    /// PAUSE and KILL.
    pub(super) fn pause(&mut self, database: Option<&str>) -> Result<(), CommandError> {
        self.check_active()?;
        match database {
            Some(name) => {
                self.paused.insert(name.to_owned());
            }
            None => self.pooler = PoolerState::Paused,
        }
        Ok(())
    }

    /// SUSPEND: what is paused has something to write that waits for RESUME.
    pub(super) fn suspend(&mut self) -> Result<(), CommandError> {
        self.check_active()?;
        if !self.paused.is_empty() {
            let message = "cannot suspend with paused databases";
            return Err(CommandError::WrongState(message.to_owned()));
        }
        self.pooler = PoolerState::Suspended;
        Ok(())
    }

    /// RESUME of what is paused. Databases that were paused by name are resumed by name.
    pub(super) fn resume(&mut self, database: Option<&str>) -> Result<(), CommandError> {
        match database {
            Some(name) if self.paused.remove(name) => Ok(()),
            Some(name) => Err(CommandError::WrongState(format!("database {name} is not paused"))),
            None if self.pooler == PoolerState::Active => {
                Err(CommandError::NotPaused { by_name: self.paused.iter().cloned().collect() })
            }
            None => {
                self.pooler = PoolerState::Active;
                Ok(())
            }
        }
    }

    /// Whether anything is held.
    pub(super) fn holds_anything(&self) -> bool {
        self.pooler != PoolerState::Active || !self.paused.is_empty()
    }

    fn check_active(&self) -> Result<(), CommandError> {
        if self.is_passed_on {
            let message = "another process is taking over: say it there";
            return Err(CommandError::WrongState(message.to_owned()));
        }
        match self.pooler {
            PoolerState::Active => Ok(()),
            PoolerState::Paused | PoolerState::Suspended => {
                Err(CommandError::WrongState("already suspended/paused".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(result: Result<(), CommandError>) -> String {
        result.expect_err("a refusal").to_string()
    }

    #[test]
    fn all_and_single_databases_are_paused_and_resumed_apart() {
        let mut held = Held::default();
        held.pause(Some("a")).unwrap();
        held.pause(Some("a")).unwrap();
        assert_eq!((held.is_paused("a"), held.is_paused("b")), (true, false));
        assert_eq!(
            held.resume(None),
            Err(CommandError::NotPaused { by_name: vec!["a".to_owned()] })
        );
        assert_eq!(refusal(held.suspend()), "cannot suspend with paused databases");
        held.pause(None).unwrap();
        assert!(held.is_paused("b"));
        for result in [held.pause(None), held.pause(Some("b")), held.suspend()] {
            assert_eq!(refusal(result), "already suspended/paused");
        }
        assert_eq!(refusal(held.resume(Some("b"))), "database b is not paused");
        held.resume(None).unwrap();
        assert_eq!((held.is_paused("a"), held.is_paused("b")), (true, false));
        held.resume(Some("a")).unwrap();
        assert!(!held.is_paused("a"));
        assert_eq!(refusal(held.resume(None)), "pooler is not paused/suspended");
    }

    #[test]
    fn what_is_suspended_is_not_paused() {
        let mut held = Held::default();
        held.suspend().unwrap();
        assert!(!held.is_paused("a"));
        assert_eq!(refusal(held.pause(Some("a"))), "already suspended/paused");
        held.resume(None).unwrap();
        assert_eq!(held.pooler, PoolerState::Active);
    }
}
