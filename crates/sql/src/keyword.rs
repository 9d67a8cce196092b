//! Words that the lexical pass has to know, found by their token's hash.

use crate::hash::{NAME_SEED, constant_token};

/// Words with a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[rustfmt::skip]
pub(crate) enum Word {
    /// Known only by its [`Traits`].
    Plain,
    // Beginnings of statements.
    Abort, Alter, Analyze, Begin, Call, Close, Commit, Copy, Create, Deallocate, Declare, Delete,
    Discard, Do, Drop, End, Execute, Explain, Fetch, Insert, Listen, Load, Lock, Merge, Move,
    Notify, Prepare, Release, Reset, Rollback, Savepoint, Select, Set, Show, Start, Table, Truncate,
    Unlisten, Update, Vacuum, Values, With,
    // What decides between kinds and effects.
    All, Authorization, Constraints, Default, For, Global, Hold, Into, Local, None, Or, PgTemp,
    Prepared, Recursive, Replace, Role, Session, SessionAuthorization, Temporary, To, Transaction, Work,
    // What the normaliser looks at.
    Array, Atomic, By, Case, False, Function, Group, In, Is, Not, Null, Order, Procedure, True,
    // Functions that touch the session.
    AdvisoryLock, AdvisoryUnlock, OwnStatistics, SequenceReader, SessionState, SetConfig,
}

/// What the words around a literal say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits(u8);

impl Traits {
    pub(crate) const NONE: Self = Self(0);
    /// Reserved: cannot be a column's or a table's name unless quoted (manual, appendix C).
    const RESERVED: Self = Self(1);
    /// An operand follows: a minus after it has only one operand.
    const BEFORE_OPERAND: Self = Self(2);
    /// A constant `true`, `false` or `null` may follow, and would not be part of a phrase.
    const BEFORE_CONSTANT: Self = Self(4);
    /// A type that may have a length or precision in parentheses.
    const TYPE: Self = Self(8);

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    pub(crate) const fn reserved(self) -> bool {
        self.has(Self::RESERVED)
    }
    pub(crate) const fn before_operand(self) -> bool {
        self.has(Self::BEFORE_OPERAND)
    }
    pub(crate) const fn before_constant(self) -> bool {
        self.has(Self::BEFORE_CONSTANT)
    }
    pub(crate) const fn may_name_type(self) -> bool {
        self.0 & !Self::TYPE.0 == 0
    }
    pub(crate) const fn is_type(self) -> bool {
        self.has(Self::TYPE)
    }
}

const NIL: Traits = Traits::NONE;
const RES: Traits = Traits::RESERVED;
const TYP: Traits = Traits::TYPE;
/// Before an operand, not reserved.
const OPN: Traits = Traits::BEFORE_OPERAND.with(Traits::BEFORE_CONSTANT);
/// Before an operand, and reserved.
const OPR: Traits = OPN.with(RES);

#[rustfmt::skip]
const WORDS: &[(&str, Word, Traits)] = &[
    ("abort", Word::Abort, NIL), ("alter", Word::Alter, NIL), ("begin", Word::Begin, NIL),
    ("analyze", Word::Analyze, RES), ("analyse", Word::Analyze, RES), ("call", Word::Call, NIL),
    ("close", Word::Close, NIL), ("commit", Word::Commit, NIL), ("copy", Word::Copy, NIL),
    ("create", Word::Create, RES), ("deallocate", Word::Deallocate, NIL),
    ("declare", Word::Declare, NIL), ("delete", Word::Delete, NIL),
    ("discard", Word::Discard, NIL), ("do", Word::Do, RES), ("drop", Word::Drop, NIL),
    ("end", Word::End, RES), ("execute", Word::Execute, NIL), ("explain", Word::Explain, NIL),
    ("fetch", Word::Fetch, RES.with(Traits::BEFORE_OPERAND)), ("insert", Word::Insert, NIL),
    ("listen", Word::Listen, NIL), ("load", Word::Load, NIL), ("lock", Word::Lock, NIL),
    ("merge", Word::Merge, NIL), ("move", Word::Move, Traits::BEFORE_OPERAND),
    ("notify", Word::Notify, NIL), ("prepare", Word::Prepare, NIL),
    ("release", Word::Release, NIL), ("reset", Word::Reset, NIL),
    ("rollback", Word::Rollback, NIL), ("savepoint", Word::Savepoint, NIL),
    ("select", Word::Select, OPR), ("set", Word::Set, NIL), ("show", Word::Show, NIL),
    ("start", Word::Start, NIL), ("table", Word::Table, RES), ("truncate", Word::Truncate, NIL),
    ("unlisten", Word::Unlisten, NIL), ("update", Word::Update, NIL),
    ("vacuum", Word::Vacuum, NIL), ("values", Word::Values, NIL),
    ("with", Word::With, RES.with(Traits::BEFORE_OPERAND)),

    ("all", Word::All, OPR), ("authorization", Word::Authorization, RES),
    ("constraints", Word::Constraints, NIL), ("for", Word::For, OPR),
    ("global", Word::Global, NIL), ("hold", Word::Hold, NIL), ("into", Word::Into, RES),
    ("local", Word::Local, NIL), ("none", Word::None, NIL), ("or", Word::Or, OPR),
    ("pg_temp", Word::PgTemp, NIL), ("prepared", Word::Prepared, NIL),
    ("recursive", Word::Recursive, NIL), ("replace", Word::Replace, NIL), ("role", Word::Role, NIL), ("session", Word::Session, NIL),
    ("session_authorization", Word::SessionAuthorization, NIL),
    ("temp", Word::Temporary, NIL), ("temporary", Word::Temporary, NIL), ("to", Word::To, OPR),
    ("transaction", Word::Transaction, NIL), ("work", Word::Work, NIL),

    ("array", Word::Array, RES), ("atomic", Word::Atomic, NIL), ("by", Word::By, OPN),
    ("case", Word::Case, OPR), ("function", Word::Function, NIL), ("group", Word::Group, RES),
    ("in", Word::In, OPR), ("is", Word::Is, RES),
    ("not", Word::Not, RES.with(Traits::BEFORE_OPERAND)), ("null", Word::Null, RES),
    ("order", Word::Order, RES), ("procedure", Word::Procedure, NIL), ("true", Word::True, RES),
    ("false", Word::False, RES),

    ("and", Word::Plain, OPR), ("any", Word::Plain, OPR), ("between", Word::Plain, OPN),
    ("default", Word::Default, OPR), ("distinct", Word::Plain, OPR), ("else", Word::Plain, OPR),
    ("escape", Word::Plain, OPN), ("from", Word::Plain, OPR), ("having", Word::Plain, OPR),
    ("ilike", Word::Plain, OPR), ("increment", Word::Plain, OPN), ("like", Word::Plain, OPR),
    ("limit", Word::Plain, OPR), ("maxvalue", Word::Plain, OPN), ("minvalue", Word::Plain, OPN),
    ("offset", Word::Plain, OPR), ("on", Word::Plain, OPR), ("returning", Word::Plain, OPR),
    ("some", Word::Plain, OPR), ("symmetric", Word::Plain, OPR), ("then", Word::Plain, OPR),
    ("using", Word::Plain, OPR), ("variadic", Word::Plain, OPR), ("when", Word::Plain, OPR),
    ("where", Word::Plain, OPR),

    ("bit", Word::Plain, TYP), ("bpchar", Word::Plain, TYP), ("char", Word::Plain, TYP),
    ("character", Word::Plain, TYP), ("dec", Word::Plain, TYP), ("decimal", Word::Plain, TYP),
    ("float", Word::Plain, TYP), ("interval", Word::Plain, TYP), ("nchar", Word::Plain, TYP),
    ("numeric", Word::Plain, TYP), ("time", Word::Plain, TYP), ("timestamp", Word::Plain, TYP),
    ("timestamptz", Word::Plain, TYP), ("timetz", Word::Plain, TYP),
    ("varbit", Word::Plain, TYP), ("varchar", Word::Plain, TYP), ("varying", Word::Plain, TYP),

    ("as", Word::Plain, RES), ("asc", Word::Plain, RES), ("asymmetric", Word::Plain, RES),
    ("binary", Word::Plain, RES), ("both", Word::Plain, RES), ("cast", Word::Plain, RES),
    ("check", Word::Plain, RES), ("collate", Word::Plain, RES), ("collation", Word::Plain, RES),
    ("column", Word::Plain, RES), ("concurrently", Word::Plain, RES),
    ("constraint", Word::Plain, RES), ("cross", Word::Plain, RES),
    ("current_catalog", Word::Plain, RES), ("current_date", Word::Plain, RES),
    ("current_role", Word::Plain, RES), ("current_schema", Word::Plain, RES),
    ("current_time", Word::Plain, RES), ("current_timestamp", Word::Plain, RES),
    ("current_user", Word::Plain, RES), ("deferrable", Word::Plain, RES),
    ("desc", Word::Plain, RES), ("except", Word::Plain, RES), ("foreign", Word::Plain, RES),
    ("freeze", Word::Plain, RES), ("full", Word::Plain, RES), ("grant", Word::Plain, RES),
    ("initially", Word::Plain, RES), ("inner", Word::Plain, RES),
    ("intersect", Word::Plain, RES), ("isnull", Word::Plain, RES), ("join", Word::Plain, RES),
    ("lateral", Word::Plain, RES), ("leading", Word::Plain, RES), ("left", Word::Plain, RES),
    ("localtime", Word::Plain, RES), ("localtimestamp", Word::Plain, RES),
    ("natural", Word::Plain, RES), ("notnull", Word::Plain, RES), ("only", Word::Plain, RES),
    ("outer", Word::Plain, RES), ("overlaps", Word::Plain, RES), ("placing", Word::Plain, RES),
    ("primary", Word::Plain, RES), ("references", Word::Plain, RES),
    ("right", Word::Plain, RES), ("session_user", Word::Plain, RES),
    ("similar", Word::Plain, RES), ("tablesample", Word::Plain, RES),
    ("trailing", Word::Plain, RES), ("union", Word::Plain, RES), ("unique", Word::Plain, RES),
    ("user", Word::Plain, RES), ("verbose", Word::Plain, RES), ("window", Word::Plain, RES),

    ("pg_advisory_lock", Word::AdvisoryLock, NIL),
    ("pg_advisory_lock_shared", Word::AdvisoryLock, NIL),
    ("pg_try_advisory_lock", Word::AdvisoryLock, NIL),
    ("pg_try_advisory_lock_shared", Word::AdvisoryLock, NIL),
    ("pg_advisory_unlock", Word::AdvisoryUnlock, NIL),
    ("pg_advisory_unlock_shared", Word::AdvisoryUnlock, NIL),
    ("pg_advisory_unlock_all", Word::AdvisoryUnlock, NIL),
    ("currval", Word::SequenceReader, NIL), ("lastval", Word::SequenceReader, NIL),
    ("set_config", Word::SetConfig, NIL),
    // random()'s seed; the connections of dblink; pg_trgm's threshold; the replication origin.
    ("setseed", Word::SessionState, NIL), ("dblink_connect", Word::SessionState, NIL),
    ("dblink_connect_u", Word::SessionState, NIL), ("set_limit", Word::SessionState, NIL),
    ("pg_replication_origin_session_setup", Word::SessionState, NIL),
    ("pg_stat_force_next_flush", Word::OwnStatistics, NIL),
];

const SLOTS: usize = 2048;

/// Open addressing by the hash's high bits, built by the compiler.
struct Table {
    hashes: [u64; SLOTS],
    words: [(Word, Traits); SLOTS],
}

static TABLE: Table = build();

const fn build() -> Table {
    let mut table = Table { hashes: [0; SLOTS], words: [(Word::Plain, Traits::NONE); SLOTS] };
    let mut index = 0;
    while index < WORDS.len() {
        let (text, word, traits) = WORDS[index];
        let hash = constant_token(NAME_SEED, text.as_bytes());
        let mut slot = first_slot(hash);
        while table.hashes[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        table.hashes[slot] = hash;
        table.words[slot] = (word, traits);
        index += 1;
    }
    table
}

const fn first_slot(hash: u64) -> usize {
    (hash >> 53) as usize
}

/// The word whose token hash this is; [`Word::Plain`] without traits for all other names.
#[inline(always)]
pub(crate) fn lookup(hash: u64) -> (Word, Traits) {
    let mut slot = first_slot(hash);
    loop {
        let found = TABLE.hashes[slot];
        if found == hash {
            return TABLE.words[slot];
        }
        if found == 0 {
            return (Word::Plain, Traits::NONE);
        }
        slot = (slot + 1) % SLOTS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_once() {
        let mut seen = std::collections::HashSet::new();
        for (text, word, traits) in WORDS {
            assert!(seen.insert(text), "{text} is listed twice");
            assert_eq!(lookup(constant_token(NAME_SEED, text.as_bytes())), (*word, *traits));
        }
        assert_eq!(lookup(constant_token(NAME_SEED, b"customers")), (Word::Plain, Traits::NONE));
    }
}
