//! Whose queries go first: what users and applications are given.

use std::cmp::Reverse;
use std::collections::HashMap;

use model::Priority;

/// Priorities of users and of applications.
///
/// An application is what a client calls itself (`application_name`), so nobody rises by a name: of
/// a client whose user and whose application are both given a priority, the lower one holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priorities {
    users: HashMap<String, Priority>,
    /// The one that says most first.
    applications: Vec<(String, Priority)>,
}

impl Priorities {
    /// Applications are names, in which `*` stands for anything. Of several that fit, the name goes
    /// before the patterns, and a longer pattern before a shorter one.
    #[must_use]
    pub fn new(users: HashMap<String, Priority>, applications: Vec<(String, Priority)>) -> Self {
        let mut applications = applications;
        applications.sort_by_cached_key(|(name, _)| {
            (name.contains('*'), Reverse(name.len()), name.clone())
        });
        Self { users, applications }
    }

    /// Of a user's clients that say no name, or one that nobody has given a priority.
    #[must_use]
    pub fn of_user(&self, user: &str) -> Priority {
        self.users.get(user).copied().unwrap_or_default()
    }

    /// Of a client.
    #[must_use]
    pub fn of(&self, user: &str, application: &str) -> Priority {
        let of_user = self.users.get(user).copied();
        let fitting = self.applications.iter().find(|(name, _)| fits(name, application));
        let of_application = fitting.map(|(_, priority)| *priority);
        // The lower one: it comes later in the order, and none comes before all.
        of_user.max(of_application).unwrap_or_default()
    }
}

/// Whether a name is what the pattern says, in which `*` stands for anything. In time that grows
/// with the product of both lengths at most, whatever they are.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut in_pattern, mut in_name) = (0, 0);
    // Behind the last star, and where in the name what follows it was last looked for.
    let mut again: Option<(usize, usize)> = None;
    while in_name < name.len() {
        if pattern.get(in_pattern) == Some(&b'*') {
            in_pattern += 1;
            again = Some((in_pattern, in_name));
        } else if pattern.get(in_pattern) == Some(&name[in_name]) {
            in_pattern += 1;
            in_name += 1;
        } else if let Some((behind_star, tried)) = again {
            in_pattern = behind_star;
            in_name = tried + 1;
            again = Some((behind_star, tried + 1));
        } else {
            return false;
        }
    }
    pattern[in_pattern..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn priorities() -> Priorities {
        let users = [("cron", Priority::Low), ("web", Priority::Normal)];
        let applications = [
            ("*", Priority::Normal),
            ("shop*", Priority::High),
            ("shop-export*", Priority::Low),
            ("shop-export-now", Priority::High),
        ];
        Priorities::new(
            users.map(|(name, priority)| (name.to_owned(), priority)).into(),
            applications.map(|(name, priority)| (name.to_owned(), priority)).into(),
        )
    }

    #[test]
    fn what_says_most_of_an_application_holds() {
        let of = |application| priorities().of("app", application);
        assert_eq!(of("shop"), Priority::High);
        assert_eq!(of("shop-export-nightly"), Priority::Low);
        assert_eq!(of("shop-export-now"), Priority::High);
        assert_eq!(of("psql"), Priority::Normal);
        assert_eq!(Priorities::default().of("app", "shop"), Priority::Normal);
    }

    #[test]
    fn nobody_rises_by_a_name() {
        assert_eq!(priorities().of("cron", "shop"), Priority::Low);
        assert_eq!(priorities().of("web", "shop"), Priority::Normal, "written, so it is meant");
        assert_eq!(priorities().of("web", "shop-export"), Priority::Low);
        assert_eq!(priorities().of_user("cron"), Priority::Low);
        assert_eq!(priorities().of_user("app"), Priority::Normal);
    }

    proptest! {
        #[test]
        fn a_star_stands_for_anything(parts in prop::collection::vec("[ab]{0,3}", 1..5), fill in "[abc]{0,4}") {
            prop_assert!(fits(&parts.join("*"), &parts.join(&fill)));
            let starred = parts.concat();
            prop_assert_eq!(fits(&starred, &fill), starred == fill);
        }

        #[test]
        fn it_fits_as_a_plain_search_would_have_it(pattern in "[ab*]{0,7}", name in "[ab]{0,8}") {
            fn search(pattern: &[u8], name: &[u8]) -> bool {
                match pattern.split_first() {
                    None => name.is_empty(),
                    Some((b'*', rest)) => (0..=name.len()).any(|skip| search(rest, &name[skip..])),
                    Some((byte, rest)) => {
                        name.first() == Some(byte) && search(rest, &name[1..])
                    }
                }
            }
            prop_assert_eq!(fits(&pattern, &name), search(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
