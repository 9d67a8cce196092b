//! The pass over one statement that hashing and rendering share: it decides which tokens are
//! constants, where lists begin and end, and where the statement does.

use std::ops::Range;

use crate::Shape;
use crate::before::Before;
use crate::keyword::{self, Word};
use crate::lexer::{Kind, Lexer, Literal, MINUS, Token};
use crate::lists::{ListWord, Lists};
use crate::routine::RoutineBody;

/// What is made of a statement's tokens.
pub(crate) trait Sink {
    /// A token that is kept as it is.
    fn plain(&mut self, token: &Token);
    /// A constant; `start` is before its sign, if it has one.
    fn constant(&mut self, literal: Literal, token: &Token, start: usize);
    /// `$number`
    fn parameter(&mut self, number: u32, token: &Token);
    /// A list follows whose elements may be squashed.
    fn open_list(&mut self);
    /// An element of the innermost list is done and another one follows.
    fn next_element(&mut self, comma: &Token);
    /// The innermost list is done.
    fn close_list(&mut self);
}

/// Where a statement was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// From its first token to its last; none if it has no token.
    pub(crate) range: Option<Range<usize>>,
    /// Where the next statement may begin: after the semicolon, or the text's end.
    pub(crate) next: usize,
    /// It goes on beyond [`Shape::STATEMENT_LIMIT`], and the sink was told of nothing from there.
    pub(crate) truncated: bool,
}

/// What ends a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// A semicolon outside parentheses and routine bodies.
    Semicolon,
    /// Only the text's end.
    TextEnd,
}

/// Passes over one statement of `text`, which begins at `from`.
#[inline]
pub(crate) fn scan<S: Sink>(text: &[u8], from: usize, until: Until, sink: &mut S) -> Extent {
    let mut scanner = Scanner {
        lexer: Lexer::new(text, from),
        until,
        sink,
        start: None,
        end: from,
        depth: 0,
        before: Before::Start,
        word: Word::Plain,
        unusual: true,
        minus: None,
        semicolon: None,
        folds_words: false,
        routine: RoutineBody::Impossible,
        ordered_depth: NOWHERE,
        modifier_depth: NOWHERE,
        cast: false,
        list_word: None,
        lists: Lists::default(),
    };
    scanner.run(from.saturating_add(Shape::STATEMENT_LIMIT), text.len())
}

/// A depth that is never reached.
const NOWHERE: u32 = u32::MAX;

struct Scanner<'a, 's, S> {
    lexer: Lexer<'a>,
    until: Until,
    sink: &'s mut S,
    start: Option<usize>,
    end: usize,
    /// Open parentheses and brackets.
    depth: u32,
    before: Before,
    /// The word before, if it was one.
    word: Word,
    /// The statement has not begun, or a minus or a semicolon is held back.
    unusual: bool,
    /// A minus that may turn out to be a number's sign.
    minus: Option<Token>,
    /// A semicolon that may turn out to be the last thing.
    semicolon: Option<Token>,
    /// `true`, `false` and `null` can be constants here.
    folds_words: bool,
    routine: RoutineBody,
    /// Where whole numbers are positions in the select list: after `ORDER BY` or `GROUP BY`.
    ordered_depth: u32,
    /// Where whole numbers belong to a type: `numeric(10, 2)`.
    modifier_depth: u32,
    /// After `::`, in the type's name.
    cast: bool,
    /// A list follows if the next token is its bracket.
    list_word: Option<ListWord>,
    lists: Lists,
}

impl<S: Sink> Scanner<'_, '_, S> {
    #[inline(always)]
    fn run(&mut self, limit: usize, text_end: usize) -> Extent {
        loop {
            let token = self.lexer.next();
            if token.end >= limit {
                return self.beyond(token, limit, text_end);
            }
            match token.kind {
                Kind::End => return self.finish(text_end, false),
                Kind::Semicolon if self.until == Until::Semicolon && self.is_outside() => {
                    return self.finish(token.end, false);
                }
                Kind::Semicolon => self.hold_semicolon(token),
                _ => self.take(token),
            }
        }
    }

    /// Outside parentheses and routine bodies.
    fn is_outside(&self) -> bool {
        self.depth == 0 && !self.routine.is_inside()
    }

    /// Semicolons before and after a statement do not belong to it; of those within, one does.
    fn hold_semicolon(&mut self, token: Token) {
        if self.start.is_some() {
            self.semicolon.get_or_insert(token);
            self.unusual = true;
        }
    }

    fn release_semicolon(&mut self) {
        if let Some(semicolon) = self.semicolon.take() {
            self.end = semicolon.end;
            self.plain(&semicolon, Before::Opening);
        }
    }

    /// Reads on to the statement's end without telling the sink, save for a string that began
    /// within the limit: a caller that hands over only so much cuts it there.
    #[cold]
    fn beyond(&mut self, mut token: Token, limit: usize, text_end: usize) -> Extent {
        if token.start < limit && matches!(token.kind, Kind::Literal(Literal::Text | Literal::Bits))
        {
            self.take(token);
            token = self.lexer.next();
        }
        loop {
            match token.kind {
                Kind::End => return self.finish(text_end, true),
                Kind::Semicolon if self.until == Until::Semicolon && self.is_outside() => {
                    // A semicolon that ends just at the limit is still within it.
                    return self.finish(token.end, token.end > limit);
                }
                Kind::OpenParenthesis | Kind::OpenBracket => {
                    self.depth = self.depth.saturating_add(1);
                }
                Kind::CloseParenthesis | Kind::CloseBracket => {
                    self.depth = self.depth.saturating_sub(1);
                }
                Kind::Name if self.depth == 0 => {
                    self.routine = self.routine.after(keyword::lookup(token.hash).0);
                }
                _ => {}
            }
            self.start.get_or_insert(token.start);
            if token.kind != Kind::Semicolon {
                self.end = token.end;
            }
            token = self.lexer.next();
        }
    }

    #[inline(always)]
    fn finish(&mut self, next: usize, truncated: bool) -> Extent {
        self.release_minus();
        self.close_lists(0);
        Extent { range: self.start.map(|start| start..self.end), next, truncated }
    }

    #[inline(always)]
    fn take(&mut self, token: Token) {
        if self.unusual {
            self.begin(&token);
        }
        self.end = token.end;
        if token.kind == Kind::Name {
            return self.name(&token);
        }
        match token.kind {
            Kind::Name => {}
            Kind::Literal(literal) => self.constant_or_position(literal, &token),
            Kind::Parameter(number) => {
                self.settle_list(false);
                self.sink.parameter(number, &token);
                self.now_before(Before::Operand);
            }
            Kind::Operator if token.hash == MINUS && self.before.expects_operand() => {
                self.minus = Some(token);
                self.unusual = true;
            }
            Kind::Operator => self.plain(&token, Before::Opening),
            Kind::Comma => self.comma(&token),
            Kind::OpenParenthesis | Kind::OpenBracket => self.open(&token),
            Kind::CloseParenthesis | Kind::CloseBracket => self.close(&token),
            Kind::Cast => {
                self.plain(&token, Before::Operand);
                self.cast = true;
            }
            Kind::Dot | Kind::QuotedName => {
                let cast = self.cast;
                self.plain(&token, Before::Operand);
                self.cast = cast;
            }
            Kind::Other | Kind::Semicolon | Kind::End => self.plain(&token, Before::Operand),
        }
    }

    /// What is seldom to be done before a token is taken.
    #[cold]
    fn begin(&mut self, token: &Token) {
        self.start.get_or_insert(token.start);
        self.release_semicolon();
        if !token.kind.is_number() {
            self.release_minus();
        }
        self.unusual = false;
    }

    /// Notes what the next token has before it.
    #[inline(always)]
    fn now_before(&mut self, before: Before) {
        self.before = before;
        self.word = Word::Plain;
        self.cast = false;
        self.list_word = None;
    }

    #[inline(always)]
    fn plain(&mut self, token: &Token, before: Before) {
        self.settle_list(false);
        self.sink.plain(token);
        self.now_before(before);
    }

    /// A minus that was held back was an operator.
    #[inline(always)]
    fn release_minus(&mut self) {
        if let Some(minus) = self.minus.take() {
            self.plain(&minus, Before::Opening);
        }
    }

    #[inline(always)]
    fn name(&mut self, token: &Token) {
        let (word, traits) = keyword::lookup(token.hash);
        if word == Word::Plain
            && self.before != Before::Start
            && self.routine == RoutineBody::Impossible
        {
            let cast = self.cast && traits.may_name_type();
            self.plain(token, Before::Word(traits));
            self.cast = cast;
            return;
        }
        self.keyword(token, word, traits);
    }

    fn keyword(&mut self, token: &Token, word: Word, traits: keyword::Traits) {
        if self.before == Before::Start {
            self.first_word(word);
        } else if self.routine != RoutineBody::Impossible && self.depth == 0 {
            self.routine = self.routine.after(word);
        }
        // A type's name may have several words, `character varying`; a keyword ends it.
        let cast = self.cast && word == Word::Plain && traits.may_name_type();
        let mut list_word = None;
        match word {
            Word::Plain => {}
            Word::True | Word::False | Word::Null
                if self.folds_words && self.before.expects_constant() =>
            {
                let literal = if word == Word::Null { Literal::Null } else { Literal::Boolean };
                self.settle_list(false);
                self.sink.constant(literal, token, token.start);
                self.now_before(Before::Operand);
                return;
            }
            Word::In => list_word = Some(ListWord::In),
            Word::Values => list_word = Some(ListWord::Values),
            Word::Array => list_word = Some(ListWord::Array),
            Word::By if matches!(self.word, Word::Order | Word::Group) => {
                self.ordered_depth = self.depth;
            }
            Word::Select if self.ordered_depth == self.depth => self.ordered_depth = NOWHERE,
            // Whether its third argument is true decides what the statement does to the session,
            // and must show in the shape.
            Word::SetConfig => self.folds_words = false,
            _ => {}
        }
        self.plain(token, Before::Word(traits));
        self.word = word;
        self.cast = cast;
        self.list_word = list_word;
    }

    #[cold]
    fn first_word(&mut self, word: Word) {
        self.routine = RoutineBody::after_first(word);
        self.folds_words = matches!(
            word,
            Word::Select
                | Word::Insert
                | Word::Update
                | Word::Delete
                | Word::Merge
                | Word::Values
                | Word::With
        );
    }

    #[inline(always)]
    fn constant_or_position(&mut self, literal: Literal, token: &Token) {
        let minus = self.minus.take();
        if literal == Literal::Integer && minus.is_none() && self.is_position_or_modifier() {
            self.plain(token, Before::Operand);
            return;
        }
        self.settle_list(false);
        self.sink.constant(literal, token, minus.map_or(token.start, |minus| minus.start));
        self.now_before(Before::Operand);
    }

    fn is_position_or_modifier(&self) -> bool {
        match self.before {
            Before::Comma => self.depth == self.ordered_depth || self.depth == self.modifier_depth,
            Before::Opening => self.depth == self.modifier_depth,
            Before::Word(_) => self.word == Word::By && self.depth == self.ordered_depth,
            Before::Start | Before::Operand => false,
        }
    }

    #[inline(always)]
    fn comma(&mut self, token: &Token) {
        self.list_word = None;
        if self.lists.has_commas_at(self.depth) {
            self.sink.next_element(token);
        } else {
            self.sink.plain(token);
        }
        self.now_before(Before::Comma);
    }

    #[inline(always)]
    fn open(&mut self, token: &Token) {
        let parenthesis = token.kind == Kind::OpenParenthesis;
        let is_modifier = parenthesis && (self.cast || self.before.is_type());
        let list_word = self.list_word;
        // An array's element may be an array without the word.
        let inner_array = !parenthesis
            && matches!(self.before, Before::Opening | Before::Comma)
            && self.lists.has_commas_at(self.depth);
        if parenthesis && list_word == Some(ListWord::Values) {
            self.open_list(self.depth, true);
        }
        self.settle_list(parenthesis);
        self.sink.plain(token);
        // `INSERT (` … is no start of a statement, but `(SELECT` … is.
        let before = if parenthesis && self.before == Before::Start {
            Before::Start
        } else {
            Before::Opening
        };
        self.now_before(before);
        self.depth = self.depth.saturating_add(1);
        let opens = match list_word {
            Some(ListWord::In) => parenthesis,
            Some(ListWord::Array) => !parenthesis,
            _ => inner_array,
        };
        if opens {
            self.open_list(self.depth, false);
        }
        if is_modifier {
            self.modifier_depth = self.depth;
        }
    }

    #[inline(always)]
    fn close(&mut self, token: &Token) {
        self.close_lists(self.depth);
        self.depth = self.depth.saturating_sub(1);
        if self.ordered_depth != NOWHERE && self.depth < self.ordered_depth {
            self.ordered_depth = NOWHERE;
        }
        if self.modifier_depth != NOWHERE && self.depth < self.modifier_depth {
            self.modifier_depth = NOWHERE;
        }
        self.sink.plain(token);
        self.now_before(Before::Operand);
    }

    /// Ends a list of rows in front of a token that is neither a row nor a comma between rows.
    #[inline(always)]
    fn settle_list(&mut self, opens_row: bool) {
        if !opens_row && self.lists.close_rows(self.depth) {
            self.sink.close_list();
        }
    }

    fn open_list(&mut self, depth: u32, rows: bool) {
        if self.lists.open(depth, rows) {
            self.sink.open_list();
        }
    }

    /// Ends the lists at this depth and deeper.
    #[inline(always)]
    fn close_lists(&mut self, depth: u32) {
        while self.lists.close(depth) {
            self.sink.close_list();
        }
    }
}
