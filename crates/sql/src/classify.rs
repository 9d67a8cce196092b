//! A statement's class and effect, from its words. Run once for each new shape.

use crate::effect;
use crate::keyword::{self, Word};
use crate::lexer::{Kind, Lexer, Literal};
use crate::{Class, SessionEffect, Shape};

/// Class and effect of `statement`, of which only [`Shape::STATEMENT_LIMIT`] bytes are looked at.
/// Two statements with one shape have one answer: literals do not count, and a quoted name counts as
/// the word that it hashes to.
pub(crate) fn classify(statement: &[u8]) -> (Class, SessionEffect) {
    let text = &statement[..statement.len().min(Shape::STATEMENT_LIMIT)];
    let head = Head::read(text);
    let class = class(&head, text);
    (class, effect::effect(class, &head, text))
}

/// How many of a statement's first tokens decide; `DECLARE` may have its `HOLD` at the tenth.
const HEAD: usize = 12;

/// A statement's first tokens, without the parentheses in front.
pub(crate) struct Head {
    tokens: [(Kind, Word); HEAD],
}

impl Head {
    fn read(text: &[u8]) -> Self {
        let mut lexer = Lexer::new(text, 0);
        let mut token = lexer.next();
        while token.kind == Kind::OpenParenthesis {
            token = lexer.next();
        }
        let mut tokens = [(Kind::End, Word::Plain); HEAD];
        for slot in &mut tokens {
            *slot = (token.kind, word(token.kind, token.hash));
            token = lexer.next();
        }
        Self { tokens }
    }

    /// The word at a place, [`Word::Plain`] for whatever else stands there.
    pub(crate) fn word(&self, index: usize) -> Word {
        self.tokens.get(index).map_or(Word::Plain, |(_, word)| *word)
    }

    /// Whether one of the words is followed by the other.
    pub(crate) fn has_pair(&self, first: Word, second: Word) -> bool {
        self.tokens.windows(2).any(|pair| pair[0].1 == first && pair[1].1 == second)
    }

    fn kind(&self, index: usize) -> Kind {
        self.tokens.get(index).map_or(Kind::End, |(kind, _)| *kind)
    }
}

/// The word that a token stands for.
pub(crate) fn word(kind: Kind, hash: u64) -> Word {
    match kind {
        Kind::Name | Kind::QuotedName => keyword::lookup(hash).0,
        _ => Word::Plain,
    }
}

fn class(head: &Head, text: &[u8]) -> Class {
    match head.word(0) {
        Word::With => main_verb(text),
        Word::Start if head.word(1) == Word::Transaction => Class::Begin,
        Word::Commit | Word::End if head.word(1) != Word::Prepared => Class::Commit,
        Word::Rollback | Word::Abort if head.word(1) != Word::Prepared => {
            let optional = matches!(head.word(1), Word::Work | Word::Transaction);
            if head.word(1 + usize::from(optional)) == Word::To {
                Class::RollbackToSavepoint
            } else {
                Class::Rollback
            }
        }
        // A statement may be called `transaction`; only the other kind has a string there.
        Word::Prepare
            if head.word(1) == Word::Transaction
                && head.kind(2) == Kind::Literal(Literal::Text) =>
        {
            Class::PrepareTransaction
        }
        _ if head.kind(0) == Kind::End && text.iter().all(|byte| *byte != b'(') => Class::Empty,
        word => simple_class(word),
    }
}

fn simple_class(word: Word) -> Class {
    match word {
        Word::Select | Word::Table => Class::Select,
        Word::Insert => Class::Insert,
        Word::Update => Class::Update,
        Word::Delete => Class::Delete,
        Word::Merge => Class::Merge,
        Word::Values => Class::Values,
        Word::Copy => Class::Copy,
        Word::Begin => Class::Begin,
        Word::Savepoint => Class::Savepoint,
        Word::Release => Class::ReleaseSavepoint,
        Word::Set => Class::Set,
        Word::Show => Class::Show,
        Word::Reset => Class::Reset,
        Word::Discard => Class::Discard,
        Word::Prepare => Class::Prepare,
        Word::Execute => Class::Execute,
        Word::Deallocate => Class::Deallocate,
        Word::Declare => Class::Declare,
        Word::Fetch => Class::Fetch,
        Word::Move => Class::Move,
        Word::Close => Class::Close,
        Word::Listen => Class::Listen,
        Word::Unlisten => Class::Unlisten,
        Word::Notify => Class::Notify,
        Word::Lock => Class::Lock,
        Word::Explain => Class::Explain,
        Word::Call => Class::Call,
        Word::Do => Class::Do,
        Word::Create => Class::Create,
        Word::Alter => Class::Alter,
        Word::Drop => Class::Drop,
        Word::Truncate => Class::Truncate,
        Word::Vacuum => Class::Vacuum,
        Word::Analyze => Class::Analyze,
        Word::Load => Class::Load,
        _ => Class::Other,
    }
}

/// The verb after the common table expressions: outside parentheses, and not an expression's name,
/// which stands after `WITH`, `RECURSIVE` or a comma.
fn main_verb(text: &[u8]) -> Class {
    let mut lexer = Lexer::new(text, 0);
    let mut outside = 0u32;
    while lexer.next().kind == Kind::OpenParenthesis {
        outside = outside.saturating_add(1);
    }
    let mut depth = outside;
    let mut before = (Kind::Name, Word::With);
    loop {
        let token = lexer.next();
        let word = word(token.kind, token.hash);
        match token.kind {
            Kind::End => return Class::With,
            Kind::OpenParenthesis => {
                depth = depth.saturating_add(1);
                // `WITH … AS (…) (SELECT …)`
                if depth == outside + 1 && before.0 == Kind::CloseParenthesis {
                    return Class::Select;
                }
            }
            Kind::CloseParenthesis => depth = depth.saturating_sub(1),
            Kind::Name
                if depth == outside
                    && before.0 != Kind::Comma
                    && !matches!(before.1, Word::With | Word::Recursive) =>
            {
                let class = simple_class(word);
                if matches!(
                    class,
                    Class::Select
                        | Class::Insert
                        | Class::Update
                        | Class::Delete
                        | Class::Merge
                        | Class::Values
                ) {
                    return class;
                }
            }
            _ => {}
        }
        before = (token.kind, word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let cases: &[(Class, &[&str])] = &[
            (
                Class::Select,
                &["select 1", "((select 1))", "table t", "SELECT(1)", "/* x */ select"],
            ),
            (Class::Values, &["values (1)", "(values (1))"]),
            (
                Class::Select,
                &[
                    "with a as (update t set x = 1 returning *) select * from a",
                    "with recursive update (a) as (select 1), delete as (select 2) select 1",
                    "with a as materialized (select 1) (select 2)",
                    "(with a as (insert into t values (1)) select 1)",
                    "with recursive a as (select 1) search depth first by x set y select 1",
                ],
            ),
            (Class::Update, &["update t set a = 1", "with a as (select 1) update t set b = 1"]),
            (Class::Delete, &["delete from t", "WITH a AS (SELECT 1) DELETE FROM t"]),
            (
                Class::Insert,
                &["insert into t values (1)", "with a as (select 1) insert into t select 1"],
            ),
            (Class::Merge, &["merge into t using s on true when matched then delete"]),
            (Class::With, &["with a as (select 1)", "with"]),
            (Class::Begin, &["begin", "BEGIN ISOLATION LEVEL SERIALIZABLE", "start transaction"]),
            (Class::Commit, &["commit", "end", "commit and chain"]),
            (Class::Rollback, &["rollback", "abort", "rollback work", "ROLLBACK AND CHAIN"]),
            (Class::RollbackToSavepoint, &["rollback to a", "rollback transaction to savepoint a"]),
            (Class::PrepareTransaction, &["prepare transaction 'x'", "PREPARE TRANSACTION $$x$$"]),
            (Class::Prepare, &["prepare a as select 1", "prepare transaction as select 1"]),
            (
                Class::Other,
                &[
                    "commit prepared 'x'",
                    "rollback prepared 'x'",
                    "grant all on t to b",
                    "start",
                    "1",
                    "(",
                ],
            ),
            (Class::Empty, &["", "  -- nothing", "/* open"]),
            (Class::Explain, &["explain select 1"]),
            (Class::Analyze, &["analyze t", "analyse"]),
        ];
        for (class, texts) in cases {
            for text in *texts {
                assert_eq!(classify(text.as_bytes()).0, *class, "{text}");
            }
        }
    }

    #[test]
    fn every_class_but_the_odd_ones_is_found_by_its_name() {
        for class in Class::ALL {
            let text = match class {
                Class::Empty | Class::Other => continue,
                Class::PrepareTransaction => "PREPARE TRANSACTION 'x'",
                class => class.name(),
            };
            assert_eq!(classify(text.as_bytes()).0, *class, "{text}");
        }
    }
}
