//! The drivers, and how each one's program is run.

use crate::kit::Kit;

/// A driver or an ORM.
#[derive(Debug)]
pub(crate) struct Driver {
    /// As its users call it.
    pub(crate) name: &'static str,
    /// What it needs to run.
    pub(crate) kit: Kit,
    /// Its program, below tests/conformance/ (of the kits that compile: the name of the binary).
    pub(crate) program: &'static str,
    /// Arguments in front of the feature.
    pub(crate) arguments: &'static [&'static str],
}

const fn driver(name: &'static str, kit: Kit, program: &'static str) -> Driver {
    Driver { name, kit, program, arguments: &[] }
}

/// All, in the order of the table's rows.
pub(crate) const DRIVERS: &[Driver] = &[
    driver("psql (libpq)", Kit::Shell, "psql/psql.sh"),
    driver("pgbench (libpq)", Kit::Shell, "psql/pgbench.sh"),
    driver("tokio-postgres", Kit::Rust, "tokio_postgres_driver"),
    driver("sqlx", Kit::Rust, "sqlx_driver"),
    driver("psycopg 3", Kit::Python, "python/psycopg3_driver.py"),
    driver("psycopg 2", Kit::Python, "python/psycopg2_driver.py"),
    driver("asyncpg", Kit::Python, "python/asyncpg_driver.py"),
    Driver {
        arguments: &["psycopg"],
        ..driver("SQLAlchemy (psycopg)", Kit::Python, "python/sqlalchemy_orm.py")
    },
    Driver {
        arguments: &["asyncpg"],
        ..driver("SQLAlchemy (asyncpg)", Kit::Python, "python/sqlalchemy_orm.py")
    },
    driver("Django", Kit::Python, "python/django_orm.py"),
    driver("node-postgres", Kit::Node, "node/pg.mjs"),
    driver("postgres.js", Kit::Node, "node/postgres.mjs"),
    driver("Prisma", Kit::Node, "node/prisma.mjs"),
    Driver { arguments: &["5"], ..driver("JDBC (prepareThreshold 5)", Kit::Java, "Jdbc") },
    Driver { arguments: &["1"], ..driver("JDBC (prepareThreshold 1)", Kit::Java, "Jdbc") },
    driver("PHP PDO", Kit::Php, "php/pdo.php"),
    driver("ruby-pg", Kit::Ruby, "ruby/pg_driver.rb"),
    driver("ActiveRecord", Kit::Ruby, "ruby/active_record.rb"),
    driver("pgx 4", Kit::Go, "pgx"),
];
