//! What holds for a server: its URL's words, and the settings where it says nothing.

use std::path::Path;

use proxy::{ChannelBinding, ServerTlsFiles, SslMode, TlsProtocols};

use super::{file, used, wrong};
use crate::settings::{Settings, UrlTls};

/// What a query of a URL leads to with these settings.
fn of_url(settings: &Settings, query: &str) -> ServerTlsFiles {
    let url = format!("postgres://u@h/d?{query}");
    let (_, tls) = UrlTls::take_out(&url).unwrap_or_else(|error| panic!("{query}: {error}"));
    settings.tls_of(&tls)
}

#[test]
fn a_url_goes_before_the_settings() {
    let mut settings = Settings::default();
    settings.server_tls.ca = Some("/ca".into());
    settings.server_tls.mode = SslMode::VerifyFull;
    let silent = of_url(&settings, "");
    assert_eq!(silent, settings.server_tls);
    let own = of_url(&settings, "sslmode=verify-ca&sslrootcert=%2Fa%20b&sslcert=/c&sslkey=/k");
    assert_eq!(own.mode, SslMode::VerifyCa);
    assert_eq!(own.ca.as_deref(), Some(Path::new("/a b")));
    assert_eq!(own.certificate.as_deref(), Some(Path::new("/c")));
    assert_eq!(own.key.as_deref(), Some(Path::new("/k")));
    // With the settings' authorities, require is what it says.
    assert_eq!(of_url(&settings, "sslmode=require").mode, SslMode::Require);
    let bound = of_url(&settings, "sslnegotiation=direct&channel_binding=require");
    assert_eq!((bound.direct, bound.channel_binding), (true, ChannelBinding::Require));
}

#[test]
fn libpqs_rules_hold_in_a_url() {
    let settings = Settings::default();
    assert_eq!(of_url(&settings, "").mode, SslMode::Prefer);
    assert_eq!(of_url(&settings, "sslmode=require&sslrootcert=/ca").mode, SslMode::VerifyCa);
    assert_eq!(of_url(&settings, "sslmode=prefer&sslrootcert=/ca").mode, SslMode::Prefer);
    assert_eq!(of_url(&settings, "sslrootcert=system").mode, SslMode::VerifyFull);
}

#[test]
fn what_is_not_about_encryption_stays_in_the_url() {
    let url = "postgres://u@h/d?application_name=x&sslmode=require&port=5433";
    let (rest, _) = UrlTls::take_out(url).unwrap();
    assert_eq!(rest, "postgres://u@h/d?application_name=x&port=5433");
    let (rest, _) = UrlTls::take_out("postgres://u@h/d?sslmode=require").unwrap();
    assert_eq!(rest, "postgres://u@h/d");
}

#[test]
fn a_database_with_a_host_of_its_own_follows_the_settings() {
    let settings = used(file(
        "upstream = 'postgres://u@a/?sslmode=disable'\n[databases.there]\nhost = 'b'\n\
         [databases.here]\ndbname = 'x'",
    ));
    assert_eq!(settings.databases["there"].tls.mode, SslMode::Prefer);
    assert_eq!(settings.databases["here"].tls.mode, SslMode::Disable);
    let tls = settings.load_tls().unwrap();
    for name in ["there", "here", "any"] {
        let pool = settings.pool(name, "u").unwrap();
        assert!(tls.servers.contains_key(&pool.tls), "{name}");
    }
}

#[test]
fn versions_are_pgbouncers_words() {
    let read = |words: &str| {
        let text = format!("upstream = 'postgres://h/d'\nserver_tls_protocols = '{words}'");
        used(file(&text)).server_tls.protocols
    };
    assert_eq!(read("tlsv1.3"), TlsProtocols::V1_3);
    assert_eq!(read("tlsv1.2"), TlsProtocols::V1_2);
    for both in ["secure", "all", "legacy", "tlsv1.2, tlsv1.3", "tlsv1.3,tlsv1.2"] {
        assert_eq!(read(both), TlsProtocols::Secure, "{both}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (settings, expected) in [
        ("server_tls_cert_file = '/c'", "server_tls_cert_file: is of no use without its key file"),
        ("server_tls_key_file = '/k'", "server_tls_key_file: is of no use without its certificate"),
        ("client_tls_ciphers = 'fast'", "there are only cipher suites that are safe"),
        ("server_tls_protocols = ''", "use tlsv1.2, tlsv1.3 or secure"),
    ] {
        // Not by URL: that says all there is to say.
        let settings = format!("{settings}\n[databases.d]\nhost = 'h'");
        let said = wrong(file(&settings));
        assert!(said.contains(expected), "no {expected:?} in {said}");
    }
    let said = wrong(file("upstream = 'postgres://h/d?sslnegotiation=direct'"));
    assert!(said.contains("sslnegotiation=direct cannot do without TLS"), "{said}");
}
