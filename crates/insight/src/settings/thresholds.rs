//! Thresholds as settings: what each may be, what it is, and why.

use std::fmt;
use std::time::Duration;

/// What a threshold may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdKind {
    /// A whole number.
    Count,
    /// Any number that is not negative.
    Number,
    /// A share of a whole, 0 to 1.
    Ratio,
    /// A length of time.
    Duration,
}

/// A threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThresholdValue {
    /// A whole number.
    Count(u64),
    /// Any number that is not negative.
    Number(f64),
    /// A share of a whole, 0 to 1.
    Ratio(f64),
    /// A length of time.
    Duration(Duration),
}

impl fmt::Display for ThresholdValue {
    /// As one would write it in the settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(number) => number.fmt(f),
            Self::Number(number) | Self::Ratio(number) => number.fmt(f),
            Self::Duration(duration) => duration_text(*duration, f),
        }
    }
}

fn duration_text(duration: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let ms = duration.as_millis();
    match ms {
        ms if ms == 0 || ms % 1_000 != 0 => write!(f, "{ms}ms"),
        ms if ms % 60_000 != 0 => write!(f, "{}s", ms / 1_000),
        ms => write!(f, "{}m", ms / 60_000),
    }
}

/// One threshold, for the manual of settings.
#[derive(Clone, Copy, Debug)]
pub struct ThresholdReference {
    /// Its key in the detector's section.
    pub key: &'static str,
    /// What it may be.
    pub kind: ThresholdKind,
    /// What it is.
    pub value: ThresholdValue,
    /// What it decides, and why it is what it is.
    pub why: &'static str,
}

/// The thresholds of one detector; made by [`thresholds!`].
pub(crate) trait Thresholds {
    /// All of them, as they are set now.
    fn reference(&self) -> Vec<ThresholdReference>;

    /// Sets one; false where there is none of this name and kind.
    fn set(&mut self, key: &str, value: ThresholdValue) -> bool;
}

/// Declares the thresholds of a detector. The comment above each is its line in the manual of
/// settings: what it decides, and the reason for its default.
macro_rules! thresholds {
    (@type Count) => { u64 };
    (@type Number) => { f64 };
    (@type Ratio) => { f64 };
    (@type Duration) => { std::time::Duration };
    (
        $(#[doc = $intro:literal])+
        $name:ident {
            $( $(#[doc = $why:literal])+ $key:ident: $kind:ident = $default:expr, )+
        }
    ) => {
        $(#[doc = $intro])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $why])+ pub $key: $crate::settings::thresholds!(@type $kind), )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::settings::Thresholds for $name {
            fn reference(&self) -> Vec<$crate::ThresholdReference> {
                vec![ $( $crate::ThresholdReference {
                    key: stringify!($key),
                    kind: $crate::ThresholdKind::$kind,
                    value: $crate::ThresholdValue::$kind(self.$key),
                    why: concat!($($why),+).trim_ascii(),
                }, )+ ]
            }

            fn set(&mut self, key: &str, value: $crate::ThresholdValue) -> bool {
                $( if key == stringify!($key) {
                    let $crate::ThresholdValue::$kind(value) = value else { return false };
                    self.$key = value;
                    return true;
                } )+
                false
            }
        }
    };
}

pub(crate) use thresholds;
