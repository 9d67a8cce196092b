//! Words by their token's hash.

use crate::hash::{NAME_SEED, SYMBOL_SEED, constant_token};

macro_rules! words {
    ($($name:ident = $text:literal,)*) => {
        $(pub(super) const $name: u64 = constant_token(NAME_SEED, $text.as_bytes());)*
    };
}

macro_rules! symbols {
    ($($name:ident = $text:literal,)*) => {
        $(pub(super) const $name: u64 = constant_token(SYMBOL_SEED, $text.as_bytes());)*
    };
}

words! {
    ALL = "all", AND = "and", ANY = "any", ARRAY = "array", AS = "as", ASC = "asc", AT = "at",
    BETWEEN = "between", BIGINT = "bigint", BIT = "bit", BOOL = "bool", BOOLEAN = "boolean",
    BPCHAR = "bpchar", BY = "by", CAST = "cast", CHAR = "char", CHARACTER = "character",
    COLLATE = "collate", CONFLICT = "conflict", CONTENT = "content", CROSS = "cross",
    DAY = "day", DEC = "dec", DECIMAL = "decimal", DEFAULT = "default", DELETE = "delete",
    DESC = "desc", DISTINCT = "distinct", DOCUMENT = "document", DOUBLE = "double", END = "end",
    ESCAPE = "escape", EXCEPT = "except", EXTRACT = "extract", FALSE = "false", FETCH = "fetch",
    FILTER = "filter", FIRST = "first", FLOAT = "float", FLOAT4 = "float4", FLOAT8 = "float8",
    FOR = "for", FROM = "from", FULL = "full", GROUP = "group", HAVING = "having", HOUR = "hour",
    ILIKE = "ilike", IN = "in", INNER = "inner", INSERT = "insert", INT = "int", INT2 = "int2",
    INT4 = "int4", INT8 = "int8", INTEGER = "integer", INTERSECT = "intersect",
    INTERVAL = "interval", INTO = "into", IS = "is", ISNULL = "isnull", JOIN = "join",
    JSONB = "jsonb", JSONPATH = "jsonpath", LATERAL = "lateral", LEFT = "left", LIKE = "like",
    LIMIT = "limit", MATERIALIZED = "materialized", MERGE = "merge", MINUTE = "minute",
    MONTH = "month", NATIONAL = "national", NATURAL = "natural", NCHAR = "nchar", NEXT = "next",
    NOT = "not", NOTNULL = "notnull", NULL = "null", NULLS = "nulls", NUMERIC = "numeric",
    OFFSET = "offset", ON = "on", ONLY = "only", OR = "or", ORDER = "order",
    ORDINALITY = "ordinality", OUTER = "outer", OVER = "over", OVERRIDING = "overriding",
    PASSING = "passing", PG_CATALOG = "pg_catalog", PRECISION = "precision", REAL = "real",
    REGCLASS = "regclass", RETURNING = "returning", RIGHT = "right", ROW = "row", ROWS = "rows",
    SECOND = "second", SELECT = "select", SET = "set", SMALLINT = "smallint", SOME = "some",
    STANDALONE = "standalone", TABLE = "table", TABLESAMPLE = "tablesample", TEXT = "text",
    TIME = "time", TIMESTAMP = "timestamp", TIMESTAMPTZ = "timestamptz", TIMETZ = "timetz",
    TO = "to", TRUE = "true", TSQUERY = "tsquery", TSVECTOR = "tsvector", UESCAPE = "uescape",
    UNION = "union", UNKNOWN = "unknown", UPDATE = "update", USING = "using", VALUES = "values",
    VARBIT = "varbit", VARCHAR = "varchar", VARYING = "varying", VERSION = "version",
    WHEN = "when", WHERE = "where", WINDOW = "window", WITH = "with", WITHIN = "within",
    WITHOUT = "without", XMLPARSE = "xmlparse", YEAR = "year", ZONE = "zone",
}

symbols! {
    ARROW = "=>", CAST_SIGN = "::", CLOSE = ")", CLOSE_BRACKET = "]", COLON_EQUAL = ":=",
    COMMA = ",", DOT = ".", FIELD = "->", FIELD_TEXT = "->>", KEY = "?", MATCHES = "@@",
    OPEN = "(", OPEN_BRACKET = "[", PATH = "@?", STAR = "*", TILDES = "~~", TILDES_STAR = "~~*",
}
