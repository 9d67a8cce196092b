//! The frontend/backend protocol as far as the console speaks it (PostgreSQL manual, "Message
//! Formats").

mod backend;
mod frontend;

pub(crate) use backend::Replies;
pub(crate) use frontend::{Bind, Frontend, Target, take_message};
