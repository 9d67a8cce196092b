//! Names, and the hashes that logins are bound to.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::verify::is_name;
use super::{PeerCertificate, SslMode, end_point_hash};

/// ECDSA with SHA-256.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIB6DCCAY+gAwIBAgIUbt6EP+tmI2uA0pTW2UesaOZTf58wCgYIKoZIzj0EAwIw
IjESMBAGA1UECgwJU2hvcCwgSW5jMQwwCgYDVQQDDANhbXkwIBcNMjYxMTI0MDEy
MjAwWhgPMjEyNjEwMzEwMTIyMDBaMCIxEjAQBgNVBAoMCVNob3AsIEluYzEMMAoG
A1UEAwwDYW15MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEydLB9R4Yw+Em24pY
5Cuug96AQb8BhRce9WNVqFwnOd4aHrBNnwHLLkzTDmyCOP8OSzIBtz7oK4nagi2Q
Y3gMuqOBoDCBnTAdBgNVHQ4EFgQUfESJCUpznkaoDTu7aeGw7K6SMlIwHwYDVR0j
BBgwFoAUfESJCUpznkaoDTu7aeGw7K6SMlIwDwYDVR0TAQH/BAUwAwEB/zBKBgNV
HREEQzBBggpkYi5leGFtcGxlgg4qLnNob3AuZXhhbXBsZYcECgECA4cQ/QAAAAAA
AAAAAAAAAAAAAYELYW15QGV4YW1wbGUwCgYIKoZIzj0EAwIDRwAwRAIgcRAdJVa4
tpSz72Wnln/rIhNDumk4hh+3ASX3Witn5SECIBHCxTmbbD2yM4Ia6uXnrCZY2fm1
wN0arN/uFZTlhNTe
-----END CERTIFICATE-----
";

fn certificate() -> Vec<u8> {
    CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap().to_vec()
}

#[test]
fn all_names_of_a_certificate_are_read() {
    let names = PeerCertificate::read(&certificate()).unwrap();
    assert_eq!(names.common_name.as_deref(), Some("amy"));
    assert_eq!(names.distinguished_name, r"CN=amy,O=Shop\, Inc");
    assert_eq!(names.dns_names, ["db.example", "*.shop.example"]);
    assert_eq!(names.email_addresses, ["amy@example"]);
    let addresses: Vec<String> = names.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.3", "fd00::1"]);
}

#[test]
fn the_hash_is_that_of_the_signature() {
    use sha2::{Digest, Sha256};
    let certificate = certificate();
    assert_eq!(end_point_hash(&certificate), Some(Sha256::digest(&certificate).to_vec()));
}

#[test]
fn a_damaged_certificate_is_read_or_not_and_no_more() {
    let whole = certificate();
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            for bytes in [&damaged[..], &whole[..at]] {
                PeerCertificate::read(bytes);
                let _ = end_point_hash(bytes);
                super::peer::public_key(bytes);
            }
        }
    }
}

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
    assert_eq!(PeerCertificate::read(b"\x30\x80"), None);
}
