//! What a name that nobody knows may have been meant to be.

/// The longest name that is compared with others, bytes: comparing takes memory and time by its length.
const COMPARED_BYTES: usize = 64;

/// The one of `known` that needs the fewest edits to be `name`, if they are few for a name of its length.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > COMPARED_BYTES {
        return None;
    }
    let edits = |known: &'a str| (strsim::damerau_levenshtein(name, known), known);
    let (edits, known) = known.into_iter().map(edits).min()?;
    (edits <= (known.len() / 3).max(1)).then_some(known)
}
