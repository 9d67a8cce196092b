//! Types of constants, as far as what stands beside them tells.

use super::constant::UNKNOWN;
use super::result::Written;
use super::words::*;

/// Gives constants without a type the type that the operator's other operand has, as PostgreSQL
/// does (manual, 10.2).
pub(super) fn resolve_unknowns(written: &mut [Written]) {
    for at in 1..written.len().saturating_sub(1) {
        let Written::Operator(operator) = written[at] else {
            continue;
        };
        let left = written[at - 1].constant();
        // A cast of the left operand is written behind it.
        let left_type = match (left, at >= 3) {
            (Some(left), _) => Some(left.type_name),
            (None, true) => cast_type(&written[at - 3..at]),
            (None, false) => None,
        };
        let right = written[at + 1].constant();
        if let Some(mut right) = right
            && right.parameter == 0
        {
            if TEXT_ON_THE_RIGHT.contains(&operator) {
                if right.is_unknown() {
                    right.type_name = TEXT;
                }
            } else if right.is_unknown() {
                match left_type {
                    Some(UNKNOWN) => right.type_name = TEXT,
                    Some(TSVECTOR) if operator == MATCHES => right.type_name = TSQUERY,
                    Some(JSONB) if [MATCHES, PATH].contains(&operator) => {
                        right.type_name = JSONPATH;
                    }
                    Some(known) => right.type_name = known,
                    None => {}
                }
            }
            written[at + 1] = Written::Constant(right);
        }
        if let (Some(mut left), Some(right)) = (left, written[at + 1].constant())
            && left.is_unknown()
            && left.parameter == 0
            && !right.is_unknown()
        {
            left.type_name = right.type_name;
            written[at - 1] = Written::Constant(left);
        }
    }
}

fn cast_type(written: &[Written]) -> Option<u64> {
    match written {
        [_, Written::Token(CAST_SIGN), Written::Token(to)] if *to != OPEN => Some(*to),
        _ => None,
    }
}

/// Operators whose right operand is text if it is a string.
const TEXT_ON_THE_RIGHT: &[u64] = &[FIELD, FIELD_TEXT, KEY, TILDES, TILDES_STAR];

/// Elements of one list have one type.
pub(super) fn resolve_elements(elements: &mut [Vec<Written>]) {
    let single = |element: &Vec<Written>| match element.as_slice() {
        [Written::Constant(constant)] => Some(*constant),
        _ => None,
    };
    let known = elements.iter().filter_map(single).find(|constant| !constant.is_unknown());
    let Some(known) = known else { return };
    for element in elements.iter_mut() {
        if let [Written::Constant(constant)] = element.as_mut_slice()
            && constant.is_unknown()
            && constant.parameter == 0
        {
            constant.type_name = known.type_name;
        }
    }
}

/// Types that strings of a function's arguments are cast to because it takes them: the same without
/// the cast, `nextval('s'::regclass)`. Of other types only the catalogue can tell.
const ARGUMENT_TYPES: &[u64] = &[REGCLASS, JSONPATH];

pub(super) fn forget_casts(written: &mut [Written]) {
    for piece in written {
        if let Written::Constant(constant) = piece
            && ARGUMENT_TYPES.contains(&constant.type_name)
        {
            constant.type_name = UNKNOWN;
        }
    }
}

/// Constants of a row for a table take the types of its columns.
pub(super) fn forget_types(written: &mut [Written]) {
    for at in 0..written.len() {
        let stands_alone = |at: Option<usize>| {
            at.and_then(|at| written.get(at)).is_none_or(|piece| *piece == Written::Token(COMMA))
        };
        let alone = (at == 0 || stands_alone(at.checked_sub(1))) && stands_alone(Some(at + 1));
        match &mut written[at] {
            Written::Constant(constant) if alone => constant.type_name = UNKNOWN,
            Written::List(elements) => {
                elements.iter_mut().for_each(|element| forget_types(element));
            }
            _ => {}
        }
    }
}
