//! What was measured, and what is said of it.
