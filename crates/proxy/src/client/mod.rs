//! Client connections: login, then the conversation.

mod activity;
mod auth;
mod consoles;
mod keys;
mod kind;
mod login;
mod moving;
mod opening;
mod overdue;
mod proxied;
mod registry;
mod relay;
mod replication;
mod seat;
mod task;
mod turns;
mod unleased;
mod welcome;

pub(crate) use auth::Authenticator;
pub(crate) use consoles::Consoles;
pub(crate) use login::{cancel, is_console, serve};
pub(crate) use moving::adopt;
pub use moving::{ClientMemento, MovingClient, Passage};
pub(crate) use registry::{CancelAction, ClientRegistry, Order};
pub(crate) use turns::Turns;
