//! Maps from the name that the system or a certificate gives to names of the database
//! (pg_ident.conf; manual, section 21.2).

use crate::lines::{self, LineError, ReadList};

/// Lines of `map-name system-name database-name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentMaps(Vec<Mapping>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    map: String,
    system: String,
    /// None is any.
    database: Option<String>,
}

impl IdentMaps {
    /// Reads a file.
    ///
    /// # Errors
    /// Every line that is not as it should be.
    pub fn parse(text: &str, lists: &ReadList<'_>) -> Result<Self, Vec<LineError>> {
        let mut maps = Vec::new();
        let mut errors = Vec::new();
        for line in lines::read(text, lists)? {
            let words: Option<Vec<_>> = line
                .fields
                .iter()
                .map(|field| if let [word] = &field[..] { Some(word) } else { None })
                .collect();
            let refusal = match words.as_deref() {
                Some([_, system, database])
                    if system.after('/').is_some() || database.after('/').is_some() =>
                {
                    "regular expressions are not supported: write one line for each name"
                }
                Some([_, _, database]) if database.after('+').is_some() => {
                    "`+role` is not supported: pgweir does not know who is a member of a role"
                }
                Some([map, system, database]) => {
                    maps.push(Mapping {
                        map: map.text.clone(),
                        system: system.text.clone(),
                        database: (!database.is("all")).then(|| database.text.clone()),
                    });
                    continue;
                }
                _ => "write three names: the map's, the system's, the database's",
            };
            errors.push(LineError::new(line.number, refusal));
        }
        if errors.is_empty() { Ok(Self(maps)) } else { Err(errors) }
    }

    /// Whether there is a map of this name.
    #[must_use]
    pub fn contains(&self, map: &str) -> bool {
        self.0.iter().any(|mapping| mapping.map == map)
    }

    /// Whether whom the system calls `system` may log in as `user`. Without a map: if the names are
    /// the same.
    #[must_use]
    pub fn allow(&self, map: Option<&str>, system: &str, user: &str) -> bool {
        let Some(map) = map else { return system == user };
        self.0.iter().any(|mapping| {
            mapping.map == map
                && mapping.system == system
                && mapping.database.as_deref().is_none_or(|database| database == user)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<IdentMaps, Vec<LineError>> {
        IdentMaps::parse(text, &|_| Err("no files here".to_owned()))
    }

    #[test]
    fn a_map_says_who_may_be_whom() {
        let maps =
            parse("ops root postgres\nops root app # both\nops \"my name\" app\nany deploy all");
        let maps = maps.unwrap();
        assert!(maps.allow(Some("ops"), "root", "postgres"));
        assert!(maps.allow(Some("ops"), "root", "app"));
        assert!(maps.allow(Some("ops"), "my name", "app"));
        assert!(maps.allow(Some("any"), "deploy", "whoever"));
        assert!(!maps.allow(Some("ops"), "app", "app"), "a map that does not name it");
        assert!(!maps.allow(Some("none"), "root", "root"));
        assert!(maps.contains("ops") && !maps.contains("none"));
    }

    #[test]
    fn without_a_map_the_names_must_be_the_same() {
        let maps = IdentMaps::default();
        assert!(maps.allow(None, "amy", "amy"));
        assert!(!maps.allow(None, "amy", "Amy"));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        let errors = parse("a b\na /^x$ b\na b +c\na b c d\na b,c d\nfine x y").unwrap_err();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
}
