//! The pooler's decisions, without sockets, threads or clocks.
//!
//! - [`session`]: what a client's messages mean for the server connection, and the server's for the
//!   client: translation, replies to swallow or to make up, measuring, pinning.
//! - [`prepared`]: prepared statements by content.
//! - [`hosts`]: which of several servers a connection goes to.
//! - [`parameters`]: run-time parameters that follow a client from server to server.
//! - [`priorities`]: whose queries go first.
//! - [`replies`]: which reply belongs to whom.
//! - [`routines`]: what functions do to the session.
//! - [`quota`]: maxima that pools share, and who gives up what for whom.
//! - [`scheduler`]: who gets which server connection, and when to open or close one.
//! - [`timeouts`]: which of a client's timeouts is over.
//! - [`waits`]: how long clients waited for one.

mod error;
pub mod hosts;
pub mod known;
pub mod parameters;
mod plan_trial;
pub mod prepared;
pub mod priorities;
pub mod quota;
pub mod reading;
pub mod replies;
pub mod routines;
pub mod scheduler;
mod server_name;
pub mod session;
pub mod timeouts;
pub mod waits;

pub use error::PoolingError;
