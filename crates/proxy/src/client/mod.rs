//! Client connections: login, then the conversation.

mod auth;
mod login;
mod opening;
mod registry;
mod relay;
mod seat;
mod task;
mod unleased;
mod welcome;

pub(crate) use auth::Authenticator;
pub(crate) use login::serve;
pub(crate) use registry::{ClientRegistry, Order};
