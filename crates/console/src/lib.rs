//! The admin console: PgBouncer's SHOW tables and commands, and pgweir's own.
