//! Sizes and maxima, for all, for a database, for a user.

use std::time::Duration;

use model::Priority;

use super::{file, used, wrong};
use crate::settings::PoolLimits;

const FILE: &str = "upstream = \"postgres://app:pw@db/x\"\ndefault_pool_size = 10\n\
    min_pool_size = 2\nreserve_pool_size = 1\nmax_db_connections = 30\nmax_user_connections = 20\n\
    max_db_client_connections = 300\nmax_user_client_connections = 200\nserver_lifetime = 100\n";

fn limits(more: &str, database: &str, user: &str) -> PoolLimits {
    used(file(&format!("{FILE}{more}"))).pool(database, user).unwrap().limits
}

#[test]
fn what_nobody_says_is_as_for_all() {
    let expected = PoolLimits {
        pool_size: 10.try_into().unwrap(),
        min_pool_size: 2,
        reserve_pool_size: 1,
        server_lifetime: Duration::from_secs(100),
        max_db_connections: Some(30),
        max_db_client_connections: Some(300),
        max_user_connections: Some(20),
        max_user_client_connections: Some(200),
    };
    let sections = "[databases.shop]\n[users.web]\n";
    assert_eq!(limits(sections, "shop", "web"), expected);
    assert_eq!(limits(sections, "other", "app"), expected);
}

#[test]
fn a_database_and_a_user_have_their_own() {
    let sections = "[databases.shop]\npool_size = 5\nmin_pool_size = 9\nreserve_pool_size = 3\n\
        server_lifetime = \"1m\"\nmax_db_connections = 0\nmax_db_client_connections = 7\n\
        [users.web]\npool_size = 3\nreserve_pool_size = 0\nmax_user_connections = 4\n\
        max_user_client_connections = 0\n";
    let both = limits(sections, "shop", "web");
    assert_eq!((both.pool_size.get(), both.reserve_pool_size), (3, 0), "the user's go first");
    assert_eq!(both.min_pool_size, 3, "never more than the size");
    assert_eq!(both.server_lifetime, Duration::from_secs(60));
    assert_eq!((both.max_db_connections, both.max_db_client_connections), (None, Some(7)));
    assert_eq!((both.max_user_connections, both.max_user_client_connections), (Some(4), None));
    let other = limits(sections, "shop", "app");
    assert_eq!((other.pool_size.get(), other.min_pool_size), (5, 5));
    assert_eq!((other.reserve_pool_size, other.max_user_connections), (3, Some(20)));
}

#[test]
fn server_connections_count_for_the_user_that_they_log_in_as() {
    let sections = "[databases.shop]\nuser = \"owner\"\n[users.owner]\npool_size = 4\nmax_user_connections = 6\n\
        max_user_client_connections = 1\n[users.web]\npool_size = 9\nmax_user_connections = 5\n";
    let forced = limits(sections, "shop", "web");
    assert_eq!((forced.pool_size.get(), forced.max_user_connections), (4, Some(6)));
    assert_eq!(forced.max_user_client_connections, Some(200), "the client is another user");
}

#[test]
fn pools_of_known_users_are_warm_if_they_have_a_minimum() {
    let forced = "[databases.a]\nuser = \"owner\"\nmin_pool_size = 1\n[databases.b]\n\
        user = \"owner\"\n[databases.c]\nmin_pool_size = 1\n";
    let upstream = "upstream = \"postgres://app:pw@db/x\"\n";
    let warm = |text: String| used(file(&text)).warm_pools();
    let pair = |database: &str, user: &str| (database.to_owned(), user.to_owned());
    assert_eq!(warm(format!("{upstream}{forced}")), [pair("a", "owner")]);
    let all = warm(format!("{upstream}min_pool_size = 1\n{forced}"));
    assert_eq!(all, [pair("a", "owner"), pair("b", "owner"), pair("x", "app")]);
    assert!(warm(upstream.to_owned()).is_empty());
}

#[test]
fn a_size_of_nothing_is_refused() {
    let problems = wrong(file(&format!("{FILE}[users.web]\npool_size = 0\n")));
    assert!(problems.contains("users.web.pool_size"), "{problems}");
    let problems = wrong(file("upstream = \"postgres://h\"\nmin_pool_size = -1\n"));
    assert!(problems.contains("not a whole number between 0 and"), "{problems}");
}

#[test]
fn users_and_applications_have_priorities() {
    let sections = "max_queue_age = \"500ms\"\nlow_priority_share = 60\n\
        [users.web]\n[users.cron]\npriority = \"low\"\n[applications.\"shop*\"]\npriority = \"high\"\n";
    let settings = used(file(&format!("{FILE}{sections}")));
    assert_eq!(settings.max_queue_age, Some(Duration::from_millis(500)));
    assert_eq!(settings.low_priority_share, 60);
    assert_eq!(settings.users["cron"].priority, Some(Priority::Low));
    assert_eq!(settings.users["web"].priority, None);
    assert_eq!(settings.applications["shop*"], Priority::High);
}

#[test]
fn a_priority_that_is_none_and_a_share_of_nothing_are_refused() {
    let problems = wrong(file(&format!("{FILE}[applications.shop]\npriority = \"urgent\"\n")));
    let expected = "`urgent` is not a priority; use high, normal or low";
    assert!(problems.contains("pgweir.toml:11:12") && problems.contains(expected), "{problems}");
    let problems = wrong(file(&format!("{FILE}low_priority_share = 0\n")));
    assert!(problems.contains("not a whole number between 1 and 100"), "{problems}");
    let problems = wrong(file(&format!("{FILE}[applications.shop]\nprioritty = \"low\"\n")));
    assert!(problems.contains("did you mean `priority`"), "{problems}");
    assert!(wrong(file("applications = 3\n")).contains("write [applications.NAME]"));
}

#[test]
fn show_users_has_whoever_is_known_by_name_and_the_maxima_that_hold() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("userlist.txt");
    std::fs::write(&list, "\"ada\" \"x\"\n\"web\" \"y\"\n").unwrap();
    let text = format!("auth_file = {list:?}\n{FILE}[users.web]\nmax_user_connections = 0\n");
    let shown = used(file(&text)).user_status();
    let maxima = shown
        .iter()
        .map(|user| (user.name.as_str(), user.max_connections, user.max_client_connections));
    let expected =
        [("ada", Some(20), Some(200)), ("app", Some(20), Some(200)), ("web", None, Some(200))];
    assert_eq!(maxima.collect::<Vec<_>>(), expected);
}
