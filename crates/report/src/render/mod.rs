//! Renderers: one per format. Each takes the [`Report`](crate::Report) view and returns text.

mod comparison;
mod html;
mod json;
mod layout;
mod markdown;
mod text;
pub mod units;
pub(crate) mod wording;

pub use comparison::{Comparison, ComparisonUnit, comparison};
pub use html::html;
pub use json::{from_json, json};
pub use markdown::markdown;
pub use text::text;

/// How text for people is set. The caller decides, by the terminal and `NO_COLOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Columns to fill; text is wrapped at it, SQL that is to be pasted is not.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 100 }
    }
}
