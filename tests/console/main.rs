//! The admin console's SQL, as psql and drivers use it against a running pgweir.

mod commands;
mod configuring;
mod driver;
mod ending;
mod killing;
mod load;
mod pausing;
mod psql;
mod reconnecting;
mod scene;
mod suspending;
