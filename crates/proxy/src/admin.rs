//! The door to the admin console, which lives elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::stream::Handover;

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a user may do in the admin console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminRole {
    /// Everything.
    Admin,
    /// SHOW and SELECT.
    Stats,
}

/// Serves clients that ask for the databases `pgweir` and `pgbouncer`.
pub trait AdminConsole: Send + Sync + 'static {
    /// What ParameterStatus says at login.
    fn parameter_status(&self) -> Vec<(String, String)>;

    /// Serves a client that has logged in, until it leaves. `cancelled` is set when a cancel request
    /// of the client has come; whoever acts on it clears it.
    fn serve(
        &self,
        stream: Handover,
        user: String,
        role: AdminRole,
        cancelled: Arc<AtomicBool>,
    ) -> BoxFuture<'_, ()>;
}
