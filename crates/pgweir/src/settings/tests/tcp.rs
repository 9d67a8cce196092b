//! What the system is asked to do with TCP connections.

use std::path::Path;
use std::time::Duration;

use proxy::TcpOptions;

use super::{file, used, wrong};
use crate::settings::Written;

const UPSTREAM: &str = "upstream = \"postgres://u@h\"\n";

fn own(lines: &str) -> TcpOptions {
    used(file(&format!("{UPSTREAM}{lines}"))).tcp
}

fn pgbouncers(lines: &str) -> TcpOptions {
    let mut written = Written::default();
    let text = format!(
        "[databases]\na = host=h\n[pgbouncer]\nunix_socket_dir =\n\
                        listen_addr = 127.0.0.1\n{lines}"
    );
    written.add_file(Path::new("pgbouncer.ini"), &text);
    used(written).tcp
}

#[test]
fn numbers_are_in_pgbouncers_units() {
    let lines = "tcp_keepidle = 10\ntcp_keepintvl = 2\ntcp_keepcnt = 3\ntcp_user_timeout = 1500\n\
                 tcp_socket_buffer = 65536\ntcp_keepalive = 1\n";
    let expected = TcpOptions {
        keepalive: true,
        keepalive_idle: Some(Duration::from_secs(10)),
        keepalive_interval: Some(Duration::from_secs(2)),
        keepalive_count: Some(3),
        user_timeout: Some(Duration::from_millis(1_500)),
        buffer_bytes: Some(65_536),
    };
    assert_eq!(own(lines), expected);
    assert_eq!(pgbouncers(lines), expected);
    let with_units = "tcp_user_timeout = \"1500ms\"\ntcp_socket_buffer = \"64kB\"\n";
    assert_eq!(own(with_units).user_timeout, expected.user_timeout);
    assert_eq!(own(with_units).buffer_bytes, expected.buffer_bytes);
    assert_eq!(own("tcp_user_timeout = \"1500\"").user_timeout, expected.user_timeout);
    assert_eq!(own("tcp_socket_buffer = \"65536\"").buffer_bytes, expected.buffer_bytes);
}

#[test]
fn what_is_not_written_is_the_systems_in_pgbouncers_file_and_two_minutes_in_ours() {
    let of_system = TcpOptions {
        keepalive: true,
        keepalive_idle: None,
        keepalive_interval: None,
        keepalive_count: None,
        user_timeout: None,
        buffer_bytes: None,
    };
    assert_eq!(pgbouncers(""), of_system);
    assert_eq!(own("tcp_keepidle = 0\ntcp_keepintvl = 0\ntcp_keepcnt = 0"), of_system);
    assert_eq!(own(""), TcpOptions::default());
    let TcpOptions { keepalive_idle, keepalive_interval, keepalive_count, .. } = own("");
    let noticed = keepalive_interval.unwrap() * keepalive_count.unwrap() + keepalive_idle.unwrap();
    assert_eq!(noticed, Duration::from_secs(120));
    assert!(!pgbouncers("tcp_keepalive = 0").keepalive);
}

#[test]
fn what_the_system_would_refuse_is_refused_here() {
    for (line, why) in [
        ("tcp_keepidle = 32768", "is not a whole number of seconds up to 32767"),
        ("tcp_keepintvl = \"500ms\"", "is not a whole number of seconds up to 32767"),
        ("tcp_keepcnt = 128", "`128` is not a whole number between 0 and 127"),
        ("tcp_user_timeout = -1", "`-1` is not a whole number between 0 and 2147483647"),
        ("tcp_user_timeout = \"25d\"", "is longer than 24 days"),
        ("tcp_socket_buffer = \"2GB\"", "is not less than 2GB"),
    ] {
        let said = wrong(file(&format!("{UPSTREAM}{line}")));
        assert!(said.contains(why), "{line}: {said}");
    }
}
