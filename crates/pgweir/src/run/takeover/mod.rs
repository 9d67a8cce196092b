//! One process takes over from another: the sockets that listen, the clients, the history.
//!
//! ```text
//! successor                                    incumbent
//! Hello           ─────────────────────────►
//!                 ◄─────────────────────────   Sockets, and the sockets
//! (settings, certificates, listeners: all that may fail)
//! Prepared        ─────────────────────────►   lets go of the history
//!                 ◄─────────────────────────   HistoryFree
//! Serving         ─────────────────────────►   lets nobody in any more
//!                 ◄─────────────────────────   Client, and its socket; one after the other
//! Taken, or NotTaken ──────────────────────►
//! Cancel          ─────────────────────────►   whose clients it may know
//!                 ◄─────────────────────────   BorrowHistory, to write what it measured since
//! HistoryLent     ─────────────────────────►
//!                 ◄─────────────────────────   HistoryReturned, and the end
//! ```
//!
//! Whichever ends before `Serving`, the incumbent goes on as if nothing had been. Both are processes of
//! one user: what is sent holds secrets.

mod control;
mod incumbent;
mod inherited;
mod link;
mod parting;
mod spawn;
mod successor;

use proxy::ClientMemento;
use serde::{Deserialize, Serialize};

pub(super) use control::ControlSocket;
pub(crate) use control::{ask_to_be_succeeded, find};
pub(super) use incumbent::{Incumbent, Standing};
pub(super) use inherited::Inherited;
pub(super) use spawn::Program;

/// Processes that speak of different numbers do not understand each other.
const PROTOCOL: u32 = 1;

/// What processes say to each other.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// A successor is there.
    Hello { protocol: u32, pid: u32, version: String },
    /// The incumbent's sockets, in the order in which they are attached; clients' numbers that it does
    /// not use begin there.
    Sockets { kinds: Vec<SocketKind>, numbers_from: u64 },
    /// No, because.
    Refused(String),
    /// All is there but the history.
    Prepared,
    /// The history can be opened.
    HistoryFree,
    /// Clients are served.
    Serving,
    /// A client, whose socket is attached.
    Client(Box<ClientMemento>),
    /// It is served from now on.
    Taken,
    /// It cannot be.
    NotTaken,
    /// A request to cancel a query that is none of the successor's.
    Cancel { process_id: i32, key: Vec<u8> },
    /// The history is wanted for a moment.
    BorrowHistory,
    /// Here it is.
    HistoryLent,
    /// Here it is again.
    HistoryReturned,
    /// `pgweir takeover`: start a successor.
    StartSuccessor,
    /// What came of it: who serves now, or why nothing has changed.
    Outcome(Result<u32, String>),
}

/// A socket that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum SocketKind {
    /// Clients come in there; whether the service manager has made it.
    Clients { activated: bool },
    /// Metrics and health.
    Http,
    /// The control socket.
    Control,
}
