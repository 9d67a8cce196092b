//! Where clients of this machine connect.

use super::{file, resolved, used, wrong};

const UPSTREAM: &str = "upstream = \"postgres://u:p@h\"\n";

#[test]
fn a_socket_is_where_and_for_whom_it_is_written() {
    assert_eq!(used(file(UPSTREAM)).unix_socket.directory, None);
    let directory = tempfile::tempdir().unwrap();
    let settings = format!(
        "{UPSTREAM}unix_socket_dir = {:?}\nunix_socket_mode = \"0770\"\n",
        directory.path()
    );
    let settings = used(file(&settings));
    assert_eq!(settings.unix_socket.directory.as_deref(), Some(directory.path()));
    assert_eq!(settings.unix_socket.mode, 0o770);
    let rows = settings.describe();
    let value = |key: &str| rows.iter().find(|row| row.key == key).unwrap().value.as_str();
    assert_eq!(value("unix_socket_mode"), "0770");
    assert_eq!(value("unix_socket_dir"), directory.path().display().to_string());
}

#[test]
fn what_cannot_be_is_refused() {
    for (written, expected) in [
        ("unix_socket_dir = \"run\"", "`run` is not an absolute path"),
        ("unix_socket_dir = \"@pgweir\"", "abstract sockets are not supported"),
        ("unix_socket_dir = \"/no/such/place\"", "is not a directory that there is"),
        ("unix_socket_mode = 770", "write octal digits in quotes"),
        ("unix_socket_mode = \"0778\"", "write octal digits in quotes"),
        ("unix_socket_mode = \"7777\"", "write octal digits in quotes"),
        ("unix_socket_mode = \"+7\"", "write octal digits in quotes"),
        ("unix_socket_group = \"no such group\"", "there is no group `no such group`"),
    ] {
        let problems = wrong(file(&format!("{UPSTREAM}{written}\n")));
        assert!(
            problems.starts_with("pgweir.toml:2:") && problems.contains(expected),
            "{problems}"
        );
    }
    let long = format!("/tmp/{}", "x".repeat(90));
    let problems = wrong(file(&format!("{UPSTREAM}unix_socket_dir = {long:?}\n")));
    assert!(problems.contains("a socket's path is short: 88 at most"), "{problems}");
}

#[test]
fn what_has_no_effect_is_warned_of() {
    let warnings = resolved(file(&format!("{UPSTREAM}unix_socket_mode = \"0700\"\n"))).warnings;
    assert_eq!(warnings, ["unix_socket_mode has no effect without unix_socket_dir"]);
}
