//! The admin console's SQL, as psql and drivers use it against a running pgweir.

mod commands;
mod driver;
mod psql;
mod scene;
