//! The canonical form, and the ids that it gives.

use model::{FingerprintId, StrictId};

use crate::hash;

use super::constant::Constant;
use super::tree::mark;
use super::{Ids, VERSION};

/// A piece of the canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Token(u64),
    Operator(u64),
    Constant(Constant),
    /// Elements that a fingerprint may squash.
    List(Vec<Vec<Written>>),
}

impl Written {
    pub(super) fn constant(&self) -> Option<Constant> {
        match self {
            Self::Constant(constant) => Some(*constant),
            _ => None,
        }
    }
}

const STRICT: u64 = mark(64);
const FINGERPRINT: u64 = mark(65);
const CONSTANT: u64 = mark(66);
const PARAMETER: u64 = mark(67);
const LIST: u64 = mark(68);
const ELEMENT: u64 = mark(69);
const MORE: u64 = mark(70);
const CUT: u64 = mark(71);

/// The ids of a canonical form.
pub(super) fn ids(written: &[Written], truncated: bool) -> Ids {
    let start = |kind| hash::append(hash::append(hash::EMPTY, kind), VERSION);
    let mut strict = sequence(start(STRICT), written, false);
    let mut fingerprint = sequence(start(FINGERPRINT), written, true);
    if truncated {
        strict = hash::append(strict, CUT);
        fingerprint = hash::append(fingerprint, CUT);
    }
    Ids { strict: StrictId(hash::id(strict)), fingerprint: FingerprintId(hash::id(fingerprint)) }
}

fn sequence(mut hash: u64, written: &[Written], squash: bool) -> u64 {
    for piece in written {
        hash = match piece {
            Written::Token(token) | Written::Operator(token) => hash::append(hash, *token),
            Written::Constant(constant) => self::constant(hash, *constant, squash),
            Written::List(elements) => list(hash, elements, squash),
        };
    }
    hash
}

fn constant(mut hash: u64, constant: Constant, squash: bool) -> u64 {
    if squash {
        hash = hash::append(hash, CONSTANT);
        return if constant.is_plain() { hash } else { hash::append(hash, constant.type_name) };
    }
    if constant.parameter != 0 {
        hash = hash::append(hash, PARAMETER.wrapping_add(u64::from(constant.parameter)));
    } else {
        hash = hash::append(hash, CONSTANT);
    }
    hash::append(hash, constant.type_name)
}

/// Two or more like elements with a constant in them are one, in a fingerprint.
fn list(mut hash: u64, elements: &[Vec<Written>], squash: bool) -> u64 {
    hash = hash::append(hash, LIST);
    let hashes: Vec<u64> =
        elements.iter().map(|element| sequence(ELEMENT, element, squash)).collect();
    if squash
        && elements.len() >= 2
        && hashes.windows(2).all(|pair| pair[0] == pair[1])
        && has_constant(&elements[0])
    {
        return hash::append(hash::append(hash, hashes[0]), MORE);
    }
    hash = hash::append(hash, elements.len() as u64);
    hashes.into_iter().fold(hash, hash::append)
}

fn has_constant(written: &[Written]) -> bool {
    written.iter().any(|piece| match piece {
        Written::Constant(_) => true,
        Written::List(elements) => elements.iter().any(|element| has_constant(element)),
        Written::Token(_) | Written::Operator(_) => false,
    })
}
