//! SQL text: lexical normaliser, statement classes, fingerprints, and facts by sqlparser.
//!
//! Two paths. The hot one ([`ShapeRegistry::observe`]) makes one lexical pass over a statement and
//! hands back its [`Shape`]; it allocates only for a shape never seen before. The cold one
//! ([`facts()`]) parses the normalised text and is run off the reactor, once a shape.
//!
//! Pure: no sockets, no files, no clocks, and no panic on any bytes.

mod before;
mod bindable;
mod bound;
mod bytes;
mod calls;
mod canonical;
mod class;
mod classify;
mod constants;
mod digest;
mod effect;
mod facts;
mod hash;
mod keyword;
mod lexer;
mod lists;
mod named;
mod normalise;
mod not_in;
mod number;
mod registry;
mod routine;
mod scan;
mod script;
mod set_config;
mod setting;
mod shape;
mod squash;
mod summary;
mod tags;
mod traced;

/// The version of strict ids and fingerprints: ids of one version can be compared.
pub const IDS_VERSION: u64 = canonical::VERSION;

pub use bindable::{Bindable, ValuesApart};
pub use bound::{BoundValues, ParameterComparison, bound_values, parameter_comparisons};
pub use calls::{Calls, RoutineBody, custom_setting, custom_settings, routine_body};
pub use canonical::strict_id;
pub use class::{Class, SessionEffect};
pub use constants::Constants;
pub use digest::shape_id;
pub use facts::{
    ComputedPredicate, Facts, Join, Operator, OrderKey, Predicate, Stability, TableRef, Unparsed,
    facts,
};
pub use named::tables_named;
pub use not_in::{NotIn, not_in_subqueries};
pub use registry::{Observed, ShapeRegistry};
pub use script::statements;
pub use setting::{SettingChange, SettingValue, setting_changes};
pub use shape::Shape;
pub use summary::{summary, tables};
pub use tags::{Tags, around, tags, tags_around};
pub use traced::trace_context;
