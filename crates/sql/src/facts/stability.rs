//! Whether an index can be on an expression: only what gives the same for the same values for ever
//! (PostgreSQL manual, CREATE INDEX and 38.7).

use serde::{Deserialize, Serialize};

/// Whether what is computed is the same for the same values for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stability {
    /// It is.
    Immutable,
    /// It is if the cast of its one column to this type is.
    Cast(String),
    /// It is if EXTRACT from its one column is.
    Extract,
    /// It is if date_trunc of its one column is.
    DateTrunc,
    /// It may depend on settings, or it has a parameter whose value is not known.
    Unsure,
}

/// Types whose casts to each other and to text depend on no setting (`pg_cast`, and `provolatile` of
/// the types' input and output functions).
pub(super) const PLAIN_TYPES: [&str; 11] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "text",
    "character varying",
    "character",
    "boolean",
    "uuid",
];
/// As `format_type` has it, without a precision.
const TIMESTAMP: &str = "timestamp without time zone";

impl Stability {
    /// Whether it is, where the type of the column in it is this, as `format_type` has it.
    #[must_use]
    pub fn holds_for(&self, column_type: Option<&str>) -> bool {
        let Some(from) = column_type.map(type_name) else { return *self == Self::Immutable };
        let plain = |name: &str| PLAIN_TYPES.contains(&name);
        match self {
            Self::Immutable => true,
            Self::Cast(to) => {
                (plain(&from) && plain(to))
                    || matches!((from.as_str(), to.as_str()), (TIMESTAMP, "date"))
                    || matches!((from.as_str(), to.as_str()), ("date", TIMESTAMP))
            }
            Self::Extract => from == TIMESTAMP || from == "date",
            // Of a date it makes a timestamp with time zone.
            Self::DateTrunc => from == TIMESTAMP,
            Self::Unsure => false,
        }
    }
}

/// The name that `format_type` gives a type, without its precision.
pub(super) fn type_name(written: &str) -> String {
    let lower = written.to_lowercase();
    let name = match (lower.find('('), lower.rfind(')')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{}", lower[..from].trim_end(), &lower[to + 1..])
        }
        _ => lower,
    };
    let known = match name.as_str() {
        "int2" => "smallint",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "decimal" | "dec" => "numeric",
        "float4" => "real",
        "float8" | "float" | "double" => "double precision",
        "varchar" => "character varying",
        "char" => "character",
        "bool" => "boolean",
        "timestamp" => TIMESTAMP,
        other => other,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_depends_on_the_columns_type() {
        let cast = |from: &str, to: &str| Stability::Cast(type_name(to)).holds_for(Some(from));
        assert!(cast("integer", "text") && cast("character varying(20)", "INT"));
        assert!(cast("numeric(10,2)", "bigint") && cast("timestamp(3) without time zone", "DATE"));
        assert!(cast("date", "TIMESTAMP"));
        assert!(!cast("timestamp with time zone", "DATE") && !cast("date", "TEXT"));
        assert!(!cast("text", "date") && !cast("integer", "money"));
        assert!(!Stability::Cast("text".to_owned()).holds_for(None));
    }

    #[test]
    fn parts_of_times_depend_on_the_columns_type() {
        let plain = "timestamp without time zone";
        assert!(
            Stability::Extract.holds_for(Some(plain)) && Stability::Extract.holds_for(Some("date"))
        );
        assert!(!Stability::Extract.holds_for(Some("timestamp with time zone")));
        assert!(Stability::DateTrunc.holds_for(Some(plain)));
        assert!(!Stability::DateTrunc.holds_for(Some("date")));
        assert!(Stability::Immutable.holds_for(None) && !Stability::Unsure.holds_for(Some("text")));
    }
}
