//! What a statement may leave behind in the session.

use crate::classify::{Head, word};
use crate::keyword::Word;
use crate::lexer::{Kind, Lexer};
use crate::{Class, SessionEffect, set_config};

/// The effect of a statement of this class.
pub(crate) fn effect(class: Class, head: &Head, text: &[u8]) -> SessionEffect {
    match class {
        Class::Set => set(head),
        Class::Reset => reset(head),
        Class::Discard if head.word(1) == Word::All => SessionEffect::DiscardAll,
        Class::Discard => SessionEffect::DiscardOther,
        Class::Prepare => SessionEffect::Prepare,
        Class::Deallocate => {
            let optional = usize::from(head.word(1) == Word::Prepare);
            if head.word(1 + optional) == Word::All {
                SessionEffect::DeallocateAll
            } else {
                SessionEffect::Deallocate
            }
        }
        Class::Listen => SessionEffect::Listen,
        Class::Unlisten => SessionEffect::Unlisten,
        Class::Load => SessionEffect::Load,
        Class::Do | Class::Call => SessionEffect::Do,
        Class::Declare if head.has_pair(Word::With, Word::Hold) => {
            both(SessionEffect::DeclareHold, contents(class, text))
        }
        Class::Create if creates_temporary(head) => {
            both(SessionEffect::CreateTemporary, contents(class, text))
        }
        _ => contents(class, text),
    }
}

/// Two effects of one statement. Different ones end in different ways, so that together they are as
/// good as anything.
fn both(one: SessionEffect, other: SessionEffect) -> SessionEffect {
    use SessionEffect::{Do, None, SequenceSession, SessionState, SetLocal};
    match (one, other) {
        (a, b) if a == b => a,
        (a, None | SetLocal) if a != None => a,
        (None | SetLocal, b) => b,
        // Cannot be looked up afterwards.
        (SessionState | SequenceSession, _) | (_, SessionState | SequenceSession) => SessionState,
        _ => Do,
    }
}

fn set(head: &Head) -> SessionEffect {
    match (head.word(1), head.word(2)) {
        (Word::Local | Word::Transaction | Word::Constraints, _) => SessionEffect::SetLocal,
        (Word::Session, Word::Authorization | Word::SessionAuthorization)
        | (Word::SessionAuthorization, _) => SessionEffect::SetAuthorization,
        (Word::Session, Word::Role) => set_role(head, 3),
        (Word::Role, _) => set_role(head, 2),
        _ => SessionEffect::SetSession,
    }
}

/// `SET ROLE name`, or `SET role TO name`, with a sign or a `TO` at `index`.
fn set_role(head: &Head, index: usize) -> SessionEffect {
    let resets = |index| matches!(head.word(index), Word::None | Word::Default);
    if resets(index) || resets(index + 1) {
        SessionEffect::ResetRole
    } else {
        SessionEffect::SetRole
    }
}

fn reset(head: &Head) -> SessionEffect {
    match head.word(1) {
        Word::Role => SessionEffect::ResetRole,
        Word::Session | Word::SessionAuthorization => SessionEffect::SetAuthorization,
        _ => SessionEffect::Reset,
    }
}

/// `CREATE [OR REPLACE] [LOCAL | GLOBAL] TEMPORARY`.
fn creates_temporary(head: &Head) -> bool {
    let skipped = (1..).take_while(|index| precedes_temporary(head.word(*index))).count();
    head.word(1 + skipped) == Word::Temporary
}

fn precedes_temporary(word: Word) -> bool {
    matches!(word, Word::Or | Word::Replace | Word::Local | Word::Global)
}

/// What is told by function calls and `INTO` anywhere in the statement.
fn contents(class: Class, text: &[u8]) -> SessionEffect {
    let mut lexer = Lexer::new(text, 0);
    let mut found = SessionEffect::None;
    let mut before = Word::Plain;
    // After `CREATE` or a `SELECT`'s `INTO`, where `TEMPORARY` may follow.
    let mut makes_table = false;
    loop {
        let token = lexer.next();
        let word = word(token.kind, token.hash);
        let here = match (token.kind, before) {
            (Kind::End, _) => return found,
            (Kind::OpenParenthesis, Word::AdvisoryLock) => SessionEffect::AdvisoryLock,
            (Kind::OpenParenthesis, Word::AdvisoryUnlock) => SessionEffect::AdvisoryUnlock,
            (Kind::OpenParenthesis, Word::SequenceReader) => SessionEffect::SequenceSession,
            (Kind::OpenParenthesis, Word::SessionState) => SessionEffect::SessionState,
            (Kind::OpenParenthesis, Word::OwnStatistics) => SessionEffect::OwnStatistics,
            (Kind::OpenParenthesis, Word::SetConfig) => set_config::effect(lexer.clone()),
            (Kind::Dot, Word::PgTemp) if makes_table || class == Class::Create => {
                SessionEffect::CreateTemporary
            }
            _ if makes_table && word == Word::Temporary => SessionEffect::CreateTemporary,
            _ => SessionEffect::None,
        };
        found = both(found, here);
        makes_table = match word {
            // `INSERT INTO temp` is about a table of that name.
            Word::Into => !matches!(before, Word::Insert | Word::Merge),
            Word::Create => class == Class::Explain,
            word => makes_table && (precedes_temporary(word) || word == Word::PgTemp),
        };
        before = word;
    }
}

#[cfg(test)]
mod tests {
    use crate::SessionEffect as E;
    use crate::classify::classify;

    #[test]
    fn effects() {
        let cases: &[(E, &[&str])] = &[
            (
                E::None,
                &[
                    "select 1",
                    "select pg_advisory_xact_lock(1)",
                    "select 'pg_advisory_lock(1)'",
                    "select 1 /* set_config('a', 'b', false) */",
                    "select pg_advisory_lock from t",
                    "select \"PG_ADVISORY_LOCK\"(1)",
                    "select nextval('s')",
                    "insert into temp values (1)",
                    "insert into temp (a) select 1",
                    "with x as (insert into temp values (1)) select 1",
                    "select * into kept from t",
                    "select temp from t",
                    "create table temp (a int)",
                    "create table t (temp int)",
                    "declare c cursor for select 1",
                    "declare c cursor without hold for select 1",
                    "declare c cursor for select 1 /* with hold */",
                    "close c",
                    "show all",
                    "begin",
                    "",
                ],
            ),
            (
                E::SetLocal,
                &[
                    "set local a = 1",
                    "SET LOCAL ROLE x",
                    "set transaction isolation level serializable",
                    "set constraints all deferred",
                    "select set_config('a', 'b', true)",
                    "select set_config('a', f('x', 2), TRUE )",
                ],
            ),
            (
                E::SetSession,
                &[
                    "set a = 1",
                    "SET SESSION a TO 'b'",
                    "set a to default",
                    "set time zone 'UTC'",
                    "set session characteristics as transaction read only",
                    "set search_path = a, b",
                ],
            ),
            (
                E::SetConfig,
                &[
                    "select set_config('a', 'b', false)",
                    "select set_config('a', 'b', $1)",
                    "select pg_catalog.set_config('a', 'b', not true)",
                    "select \"set_config\" /* x */ ('a', 'b', true or false)",
                    "update t set a = SET_CONFIG('a', 'b', 't')",
                    "select set_config('a', 'b', true), set_config('a', 'b', false)",
                    "select set_config('a'",
                ],
            ),
            (E::SetRole, &["set role a", "set session role a", "set role to a", "set role 'none'"]),
            (E::ResetRole, &["reset role", "set role none", "set role to default"]),
            (
                E::SetAuthorization,
                &[
                    "set session authorization a",
                    "reset session authorization",
                    "set session_authorization = a",
                ],
            ),
            (E::Reset, &["reset a", "RESET ALL"]),
            (E::DiscardAll, &["discard all"]),
            (E::DiscardOther, &["discard temp", "discard plans", "discard sequences"]),
            (
                E::Prepare,
                &["prepare a as select 1", "prepare a (int) as select pg_advisory_lock($1)"],
            ),
            (E::Deallocate, &["deallocate a", "deallocate prepare a", "deallocate \"all\""]),
            (E::DeallocateAll, &["deallocate all", "DEALLOCATE PREPARE ALL"]),
            (E::Listen, &["listen a"]),
            (E::Unlisten, &["unlisten a", "unlisten *"]),
            (
                E::DeclareHold,
                &[
                    "declare c cursor with hold for select 1",
                    "declare c binary insensitive no scroll cursor with hold for select 1",
                ],
            ),
            (
                E::CreateTemporary,
                &[
                    "create temp table t (a int)",
                    "CREATE LOCAL TEMPORARY TABLE t AS SELECT 1",
                    "create global temp sequence s",
                    "create or replace temporary view v as select 1",
                    "create or replace temp recursive view v (a) as select 1",
                    "create table pg_temp.t (a int)",
                    "create function pg_temp.f() returns int language sql as 'select 1'",
                    "create table if not exists \"pg_temp\".t (a int)",
                    "select * into temp t from u",
                    "select * into local temporary table t from u",
                    "select 1 into pg_temp.t",
                    "with a as (select 1) select * into temp t from a",
                    "explain analyze create temp table t as select 1",
                    "explain (analyze) select * into temp t from u",
                ],
            ),
            (
                E::AdvisoryLock,
                &[
                    "select pg_advisory_lock(1)",
                    "select pg_try_advisory_lock_shared(1, 2) from t",
                    "SELECT pg_catalog.PG_TRY_ADVISORY_LOCK (1)",
                    "insert into t select \"pg_advisory_lock_shared\"(1)",
                    "explain analyze select pg_advisory_lock(1)",
                    "copy (select pg_advisory_lock(1)) to stdout",
                ],
            ),
            (
                E::AdvisoryUnlock,
                &["select pg_advisory_unlock(1)", "select pg_advisory_unlock_all()"],
            ),
            (E::Load, &["load 'auto_explain'"]),
            (
                E::SequenceSession,
                &["select currval('s'), lastval()", "insert into t values (lastval())"],
            ),
            (
                E::SessionState,
                &[
                    "select setseed(0.5)",
                    "select dblink_connect('x')",
                    "create temp table t as select lastval()",
                ],
            ),
            (E::OwnStatistics, &["select pg_stat_force_next_flush()"]),
            (
                E::Do,
                &[
                    "do $$ begin perform 1; end $$",
                    "call p()",
                    "select pg_advisory_lock(1), pg_advisory_unlock(2)",
                    "declare c cursor with hold for select pg_advisory_lock(1)",
                ],
            ),
        ];
        for effect in E::ALL {
            assert!(
                cases.iter().any(|(covered, _)| covered == effect),
                "{effect:?} is not covered"
            );
        }
        for (effect, texts) in cases {
            for text in *texts {
                assert_eq!(classify(text.as_bytes()).1, *effect, "{text}");
            }
        }
    }
}
