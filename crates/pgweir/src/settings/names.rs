//! What to say about a name that is none of ours.

use super::ini::{Becomes, INI_SETTINGS};

/// PgBouncer's settings that are written in another way in our own files.
const WRITTEN_OTHERWISE: &[(&str, &str)] = &[
    ("listen_addr", "write address and port together: listen = \"127.0.0.1:6432\""),
    ("listen_port", "write address and port together: listen = \"127.0.0.1:6432\""),
    ("verbose", "write log_level = \"debug\""),
];

/// What there is to say about a setting of PgBouncer's that is none of ours.
fn of_pgbouncer(unknown: &str) -> Option<&'static str> {
    let otherwise = WRITTEN_OTHERWISE.iter().find(|(name, _)| *name == unknown);
    let in_table = || match INI_SETTINGS.iter().find(|setting| setting.name == unknown)?.becomes {
        Becomes::Unneeded(why) | Becomes::NotOffered(why) => Some(why),
        Becomes::Same | Becomes::Different(_) => None,
    };
    otherwise.map(|(_, advice)| *advice).or_else(in_table)
}

/// What would be right instead of `unknown`, one of `known` if any is near.
pub(crate) fn advice<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(advice) = of_pgbouncer(unknown) {
        return format!("PgBouncer's `{unknown}`: {advice}");
    }
    match nearest(unknown, known.clone()) {
        Some(name) => format!("no such setting; did you mean `{name}`?"),
        None => {
            let names: Vec<&str> = known.into_iter().collect();
            if names.len() > 10 {
                "no such setting; `pgweir settings` lists them".to_owned()
            } else {
                format!("no such setting; there are {}", names.join(", "))
            }
        }
    }
}

/// The one of `known` that may be meant, however it is spelled.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    model::nearest(&unknown.to_lowercase().replace('-', "_"), known)
}
