//! Calls of `set_config(name, value, is_local)`.

use crate::classify::word;
use crate::keyword::Word;
use crate::lexer::{Kind, Lexer, Literal, Token};
use crate::setting::{SettingChange, SettingValue};
use crate::{SessionEffect, Shape};

/// How many tokens of a call are looked at; calls may be nested.
const LOOK_AHEAD: usize = 200;

/// The effect of a call, whose text after the parenthesis `lexer` reads: local only if it says
/// `true`.
pub(crate) fn effect(mut lexer: Lexer<'_>) -> SessionEffect {
    let mut depth = 0u32;
    let mut commas = 0u32;
    for _ in 0..LOOK_AHEAD {
        let token = lexer.next();
        match token.kind {
            Kind::End => break,
            Kind::CloseParenthesis if depth == 0 => break,
            Kind::OpenParenthesis | Kind::OpenBracket => depth += 1,
            Kind::CloseParenthesis | Kind::CloseBracket => depth = depth.saturating_sub(1),
            Kind::Comma if depth == 0 => commas += 1,
            _ => {}
        }
        if commas == 2 {
            let third = lexer.next();
            if word(third.kind, third.hash) == Word::True
                && lexer.next().kind == Kind::CloseParenthesis
            {
                return SessionEffect::SetLocal;
            }
            break;
        }
    }
    SessionEffect::SetConfig
}

/// Words of a SELECT with which it may not evaluate each of its items exactly once.
const CONDITIONAL: [&str; 11] = [
    "from",
    "where",
    "union",
    "intersect",
    "except",
    "case",
    "coalesce",
    "limit",
    "offset",
    "having",
    "group",
];

/// What the calls change in a `SELECT` that is nothing but a list of items, each evaluated once, and
/// in which each call is an item with constants as its arguments.
pub(crate) fn constant_calls(text: &[u8]) -> Option<Vec<SettingChange>> {
    if text.len() >= Shape::STATEMENT_LIMIT {
        return None;
    }
    let mut lexer = Lexer::new(text, 0);
    let mut changes = Vec::new();
    let mut depth = 0u32;
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::End => return Some(changes),
            Kind::OpenParenthesis => depth += 1,
            Kind::CloseParenthesis => depth = depth.saturating_sub(1),
            Kind::Name => {
                let name = slice(text, token)?;
                if CONDITIONAL.iter().any(|other| name.eq_ignore_ascii_case(other)) {
                    return None;
                }
            }
            _ => {}
        }
        if word(token.kind, token.hash) == Word::SetConfig {
            if depth > 0 || lexer.next().kind != Kind::OpenParenthesis {
                return None;
            }
            changes.extend(call(text, &mut lexer)?);
        }
    }
}

/// One call, after its parenthesis; nothing for a local one.
fn call(text: &[u8], lexer: &mut Lexer<'_>) -> Option<Option<SettingChange>> {
    let name = constant(text, lexer.next())?;
    (lexer.next().kind == Kind::Comma).then_some(())?;
    let value = constant(text, lexer.next())?;
    (lexer.next().kind == Kind::Comma).then_some(())?;
    let third = lexer.next();
    let local = match word(third.kind, third.hash) {
        Word::True => true,
        Word::False => false,
        _ => return None,
    };
    (lexer.next().kind == Kind::CloseParenthesis).then_some(())?;
    let name = name.to_lowercase().into();
    let value = SettingValue::Text(value.into());
    Some((!local).then_some(SettingChange::Set { name, value }))
}

/// A string constant's value.
fn constant(text: &[u8], token: Token) -> Option<String> {
    if token.kind != Kind::Literal(Literal::Text) {
        return None;
    }
    let inside = slice(text, token)?.strip_prefix('\'')?.strip_suffix('\'')?;
    // What a backslash means depends on a setting.
    (!inside.contains('\\')).then(|| inside.replace("''", "'"))
}

fn slice(text: &[u8], token: Token) -> Option<&str> {
    std::str::from_utf8(text.get(token.start..token.end)?).ok()
}
