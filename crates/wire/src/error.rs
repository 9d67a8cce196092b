//! What can be wrong with bytes.
/// stub
#[derive(Debug)]
pub enum WireError {}
