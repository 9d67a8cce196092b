//! Names, and the hashes that logins are bound to.

use super::verify::is_name;
use super::{SslMode, end_point_hash};

#[test]
fn a_common_name_is_a_host_or_all_hosts_of_a_domain() {
    assert!(is_name("db.internal", "DB.internal"));
    assert!(is_name("*.shop.example", "db.shop.example"));
    assert!(!is_name("*.shop.example", "a.db.shop.example"));
    assert!(!is_name("*.shop.example", "shop.example"));
    assert!(!is_name("*.example", "shop.example"));
    assert!(!is_name("*", "db"));
    assert!(is_name("10.0.0.1", "10.0.0.1"));
}

#[test]
fn modes_are_ordered_by_what_they_ask() {
    assert!(SslMode::ALL.is_sorted());
    for mode in SslMode::ALL {
        assert_eq!(SslMode::parse(mode.as_str()), Some(mode));
    }
    assert_eq!(SslMode::parse("Require"), None);
}

#[test]
fn garbage_is_no_certificate() {
    assert_eq!(end_point_hash(b""), None);
    assert_eq!(end_point_hash(b"\x30\x03\x02\x01\x00"), None);
    assert_eq!(super::PeerCertificate::read(b"\x30\x80"), None);
}
