//! SQL text: lexical normaliser, statement classes, fingerprints, and facts by sqlparser.
//!
//! Two paths. The hot one ([`ShapeRegistry::observe`]) makes one lexical pass over a statement and
//! hands back its [`Shape`]; it allocates only for a shape never seen before. The cold one
//! ([`facts()`]) parses the normalised text and is run off the reactor, once a shape.
//!
//! Pure: no sockets, no files, no clocks, and no panic on any bytes.

mod before;
mod bytes;
mod class;
mod classify;
mod digest;
mod effect;
mod facts;
mod hash;
mod keyword;
mod lexer;
mod lists;
mod normalise;
mod number;
mod registry;
mod routine;
mod scan;
mod shape;

pub use class::{Class, SessionEffect};
pub use facts::{Facts, Join, Operator, OrderKey, Predicate, TableRef, Unparsed, facts};
pub use registry::{Observed, ShapeRegistry};
pub use shape::Shape;
