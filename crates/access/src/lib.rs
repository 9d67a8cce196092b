//! Who may log in how: PostgreSQL's HBA and ident files, PgBouncer's userlist, what a failed login
//! costs. Texts in, decisions out: no files, no sockets, no clock.

mod failures;
pub mod hba;
mod ident;
mod lines;
mod networks;
mod userlist;

pub use failures::FailedLogins;
pub use ident::IdentMaps;
pub use lines::{LineError, ReadList};
pub use networks::Networks;
pub use userlist::{Entry, parse_userlist};
