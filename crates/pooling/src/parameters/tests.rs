use super::*;

fn server() -> ServerParameters {
    let mut server = ServerParameters::default();
    server.reported_at_login("TimeZone", "Europe/Zurich");
    server.reported_at_login("application_name", "");
    server.reported_at_login("is_superuser", "on");
    server
}

#[test]
fn only_the_difference_is_sent_and_only_once() {
    let mut server = server();
    let berlin = ClientParameters::new([("TimeZone", "Europe/Berlin"), ("geqo", "off")]);
    let plain = ClientParameters::new([]);
    assert_eq!(
        server.difference(&berlin).join(";"),
        r#"SET "geqo" TO 'off';SET "timezone" TO 'Europe/Berlin'"#
    );
    server.reported("TimeZone", "Europe/Berlin");
    assert_eq!(server.difference(&berlin).join(";"), "");
    assert_eq!(server.difference(&plain).join(";"), r#"RESET "geqo";RESET "timezone""#);
    server.reported("TimeZone", "Europe/Zurich");
    assert_eq!(server.difference(&plain).join(";"), "");
    let zurich = ClientParameters::new([("timezone", "Europe/Zurich")]);
    assert_eq!(server.difference(&zurich).join(";"), "", "equal to the server's own");
}

/// A request of `client`'s is answered, and the server has reported that. Gives what it is told.
fn answer(
    server: &mut ServerParameters,
    client: &mut ClientParameters,
    reports: &[(&str, &str)],
) -> String {
    reports.iter().for_each(|(name, value)| server.reported(name, value));
    let news = server.answered(client);
    news.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_the_server_reports_is_what_the_client_wants_from_then_on() {
    let (mut one, mut other) = (server(), server());
    let mut client = ClientParameters::new([]);
    let reports = [("application_name", "worker"), ("is_superuser", "off")];
    assert_eq!(answer(&mut one, &mut client, &reports), "application_name=worker is_superuser=off");
    assert_eq!(one.difference(&client).join(";"), "");
    assert_eq!(other.difference(&client).join(";"), r#"SET "application_name" TO 'worker'"#);
    // Written in front of a statement that sets it back: the server has nothing to report.
    assert_eq!(answer(&mut other, &mut client, &[]), "application_name=");
    assert_eq!(client.get("application_name"), None);
    assert_eq!(one.difference(&client).join(";"), r#"RESET "application_name""#);
    let back = [("application_name", ""), ("is_superuser", "on")];
    assert_eq!(answer(&mut one, &mut client, &back), "is_superuser=on");
}

#[test]
fn a_server_that_is_fenced_does_not_fence_the_next_one() {
    let name = "default_transaction_read_only";
    let fresh = || {
        let mut server = server();
        server.reported_at_login(name, "off");
        server
    };
    let (mut fenced, mut next) = (fresh(), fresh());
    let mut client = ClientParameters::new([]);
    answer(&mut fenced, &mut client, &[(name, "on")]);
    assert_eq!(next.difference(&client).join(";"), "", "nobody has asked for it");
    assert_eq!(fenced.difference(&ClientParameters::new([])).join(";"), "");
    // What the client sets itself goes with it.
    next.maybe_set(&mut client, name);
    answer(&mut next, &mut client, &[(name, "on")]);
    assert_eq!(client.get(name), Some("on"));
    let set = r#"SET "default_transaction_read_only" TO 'on'"#;
    assert_eq!(fresh().difference(&client).join(";"), set);
    answer(&mut next, &mut client, &[(name, "off")]);
    assert_eq!(client.get(name), None, "it was rolled back");
}

#[test]
fn a_reset_of_what_is_reported_goes_back_to_the_startup_unless_it_was_rolled_back() {
    let mut one = server();
    let mut client = ClientParameters::new([("application_name", "a"), ("TimeZone", "Asia/Tokyo")]);
    let mut other = ClientParameters::new([]);
    one.difference(&client);
    let reports = [("application_name", "a"), ("TimeZone", "Asia/Tokyo")];
    assert_eq!(answer(&mut one, &mut client, &reports), "", "as it was at login");
    assert_eq!(answer(&mut one, &mut client, &[("application_name", "b")]), "application_name=b");
    one.maybe_reset(&mut client);
    let reports = [("application_name", ""), ("TimeZone", "Europe/Zurich")];
    assert_eq!(answer(&mut one, &mut client, &reports), "application_name=a");
    assert_eq!(one.difference(&other).join(";"), "", "the server has its defaults");
    assert_eq!(answer(&mut one, &mut other, &[]), "");
    // A reset that is rolled back within its request: nothing is reported.
    one.difference(&client);
    answer(&mut one, &mut client, &[("application_name", "c"), ("TimeZone", "Asia/Tokyo")]);
    one.maybe_reset(&mut client);
    assert_eq!(answer(&mut one, &mut client, &[]), "");
    assert_eq!(client.get("application_name"), Some("c"));
}

#[test]
fn who_resets_what_was_written_for_it_on_this_server_is_told() {
    let mut one = server();
    let mut client = ClientParameters::new([]);
    assert_eq!(answer(&mut one, &mut client, &[("TimeZone", "UTC")]), "TimeZone=UTC");
    let mut other = server();
    assert_eq!(other.difference(&client).join(";"), r#"SET "timezone" TO 'UTC'"#);
    client.reset(&other);
    other.reset();
    assert_eq!(answer(&mut other, &mut client, &[]), "TimeZone=Europe/Zurich");
    assert_eq!(other.difference(&client).join(";"), "");
}

#[test]
fn values_are_quoted_against_injection() {
    let mut server = server();
    let client = ClientParameters::new([
        ("application_name", "x'; drop table t; --\\"),
        ("search_path", r#"public, "My Schema", a"#),
        (r#"we"ird"#, "1"),
    ]);
    assert_eq!(
        server.difference(&client).join(";"),
        concat!(
            r#"SET "application_name" TO  E'x''; drop table t; --\\';"#,
            r#"SET "search_path" TO 'public', 'My Schema', 'a';"#,
            r#"SET "we""ird" TO '1'"#
        )
    );
}

fn changes(text: &str) -> Vec<SettingChange> {
    sql::setting_changes(text.as_bytes()).unwrap()
}

/// Runs statements of `client`, one transaction each, on `server`.
fn run(client: &mut ClientParameters, server: &mut ServerParameters, texts: &[&str]) {
    for text in texts {
        let mut journal = Journal::default();
        for change in changes(text) {
            assert_eq!(journal.change(change), None);
        }
        journal.commit(client, server);
    }
}

#[test]
fn what_is_not_reported_is_carried_as_it_was_written() {
    let (mut one, mut other) = (server(), server());
    let mut client = ClientParameters::new([]);
    run(
        &mut client,
        &mut one,
        &["set search_path to \"$user\", b", "set work_mem = '1MB'", "reset work_mem"],
    );
    assert_eq!(one.difference(&client).join(";"), "", "it is there");
    assert_eq!(other.difference(&client).join(";"), r#"SET "search_path" TO "$user", b"#);
    assert_eq!(one.difference(&ClientParameters::new([])).join(";"), r#"RESET "search_path""#);
}

#[test]
fn a_reset_goes_back_to_what_was_asked_for_at_startup() {
    let mut one = server();
    let mut client = ClientParameters::new([("geqo", "off")]);
    one.difference(&client);
    run(&mut client, &mut one, &["set geqo to on", "reset geqo"]);
    assert_eq!(one.difference(&client).join(";"), r#"SET "geqo" TO 'off'"#);
    run(&mut client, &mut one, &["set geqo to on", "reset all"]);
    assert_eq!(one.difference(&client).join(";"), r#"SET "geqo" TO 'off'"#);
}

#[test]
fn other_settings_are_written_with_the_rights_of_the_user_that_logged_in() {
    let (mut one, mut other) = (server(), server());
    let mut client = ClientParameters::new([]);
    let texts =
        ["set role a", "set session authorization b", "set role c", "set log_statement to x"];
    run(&mut client, &mut one, &texts);
    let all = concat!(
        r#"SET "log_statement" TO x;"#,
        r#"SET "session_authorization" TO b;SET "role" TO c"#
    );
    assert_eq!(other.difference(&client).join(";"), all);
    let plain = ClientParameters::new([]);
    assert_eq!(
        other.difference(&plain).join(";"),
        r#"RESET SESSION AUTHORIZATION;RESET ROLE;RESET "log_statement""#
    );
    other.difference(&client);
    run(&mut client, &mut one, &["set log_statement to y"]);
    assert_eq!(
        other.difference(&client).join(";"),
        format!("RESET SESSION AUTHORIZATION;RESET ROLE;{}", all.replace("TO x", "TO y"))
    );
    run(&mut client, &mut one, &["set session authorization default"]);
    assert_eq!(client.get("role"), None);
}

#[test]
fn an_encoding_is_set_before_what_is_written_in_it() {
    let mut server = server();
    server.reported_at_login("client_encoding", "LATIN1");
    let client = ClientParameters::new([("application_name", "ä"), ("client_encoding", "UTF8")]);
    let queries = server.difference(&client);
    assert_eq!(queries.len(), 2, "{queries:?}");
    assert_eq!(queries[0], r#"SET "client_encoding" TO 'UTF8'"#);
}

#[test]
fn what_was_learned_takes_the_place_of_what_was_thought() {
    let (mut one, mut other) = (server(), server());
    let mut client = ClientParameters::new([("geqo", "off")]);
    one.difference(&client);
    run(&mut client, &mut one, &["set work_mem to 1", "set jit to off"]);
    answer(&mut one, &mut client, &[("timezone", "UTC")]);
    let found = [("work_mem", "64"), ("TimeZone", "x"), ("a.b", "")];
    let found = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
    one.learned(&mut client, found.to_vec());
    assert_eq!(one.difference(&client).join(";"), "");
    assert_eq!(
        other.difference(&client).join(";"),
        r#"SET "a.b" TO '';SET "timezone" TO 'UTC';SET "work_mem" TO '64'"#
    );
}
