//! What was measured outlives the process: killed, stopped, started again, and one of a fleet.

mod fleet;
mod killed;
mod restarted;
mod scene;
