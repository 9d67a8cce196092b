//! The console as its clients meet it.

mod client;
mod columns;
mod contents;
mod driver;
mod extended;
mod hostile;
mod live;
mod simple;
mod sql;
mod sql_hostile;
mod sql_tools;
