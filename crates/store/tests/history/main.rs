//! History as others use it: killed while it writes, and sent to a fleet's store.

mod fleet;
mod kill;
mod made;
mod thread;
