//! Who may log in is nobody else's business.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use testkit::{Postgres, Proxy, ProxyOptions, frames};
use wire::auth::{DEFAULT_ITERATIONS, ScramKeys, ScramVerifier, Secret};

use crate::scene::PGWEIR;

/// Users of each kind; each tries once, so that nobody is slowed down for having failed before.
const USERS: usize = 15;

/// Of "secret", by PostgreSQL's default of 4096 iterations.
const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn sasl_initial() -> Vec<u8> {
    let first = b"n,,n=,r=0123456789";
    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
    frames::message(b'p', &[b"SCRAM-SHA-256\0", &length[..], first].concat())
}

/// How long it takes until all is asked of a client that has a wrong password, and what it is told
/// then. That itself is held back by chance, and its time says nothing.
async fn refused(proxy: &Proxy, method: &str, user: &str) -> (Duration, String) {
    let mut client = proxy.scripted().await;
    let since = Instant::now();
    client.startup(user, "postgres", &[]).await;
    client.expect(b'R').await;
    let mut took = since.elapsed();
    if method == "plain" {
        client.send(&frames::password("wrong")).await;
    } else {
        client.send(&sasl_initial()).await;
        let challenge = client.expect(b'R').await;
        took = since.elapsed();
        let challenge = String::from_utf8_lossy(&challenge[4..]).into_owned();
        let nonce = challenge.split(',').next().unwrap();
        let proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        client.send(&frames::message(b'p', format!("c=biws,{nonce},p={proof}").as_bytes())).await;
    }
    let error = client.expect_error().await;
    client.expect_closed().await;
    (took, error.to_string().replace(user, "USER"))
}

/// Others have the processor too: only the shortest time is the login's own.
fn shortest(times: Vec<Duration>) -> Duration {
    times.into_iter().min().unwrap()
}

/// How long it takes to derive a key.
fn derivation() -> Duration {
    let since = Instant::now();
    std::hint::black_box(ScramVerifier::from_password(b"wrong", &[7; 16], DEFAULT_ITERATIONS));
    since.elapsed()
}

/// Must survive: users told apart by the text of a refusal; users told apart by time
#[tokio::test]
async fn a_user_who_exists_is_refused_as_one_who_does_not() {
    let upstream = Postgres::shared().await.url("postgres", "postgres");
    for method in ["plain", "scram-sha-256"] {
        let mut settings = format!("upstream = {upstream:?}\nauth_type = {method:?}\n");
        for number in 0..USERS {
            write!(settings, "[users.known{number}]\npassword = {VERIFIER:?}\n").unwrap();
        }
        let proxy = Proxy::start(PGWEIR, ProxyOptions::default().settings(settings)).await;
        refused(&proxy, method, "warm_up").await;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for number in 0..USERS {
            let (took, said) = refused(&proxy, method, &format!("known{number}")).await;
            known.push(took);
            let (took, said_of_unknown) = refused(&proxy, method, &format!("nobody{number}")).await;
            unknown.push(took);
            assert_eq!(said, said_of_unknown);
            assert!(said.contains("28P01"), "{said}");
        }
        // Users that are not configured are asked for at the server, which takes a moment. A key that
        // was derived for some only takes longer.
        let (known, unknown) = (shortest(known), shortest(unknown));
        let derivation = shortest((0..5).map(|_| derivation()).collect());
        assert!(
            known.abs_diff(unknown) < derivation / 2,
            "{method}: {known:?} for users that exist, {unknown:?} for others; a key {derivation:?}"
        );
    }
}

/// Does not compile for a type that has `==`.
macro_rules! has_no_equality {
    ($($secret:ty),*) => {
        $(const _: fn() = || {
            trait Ambiguous<A> {
                fn item() {}
            }
            impl<T> Ambiguous<()> for T {}
            struct Equality;
            impl<T: PartialEq> Ambiguous<Equality> for T {}
            let _ = <$secret as Ambiguous<_>>::item;
        };)*
    };
}

has_no_equality!(Secret, ScramVerifier, ScramKeys);

/// Must survive: compares that are not constant-time
#[test]
fn secrets_have_no_equality_that_stops_at_the_first_difference() {
    // That this file compiles is the half of it; the other is that what compares them is right.
    let secret = Secret::parse("secret");
    assert!(wire::auth::verify_plain("user", &secret, b"secret"));
    for wrong in [&b"secreT"[..], b"Secret", b"secret ", b"secre", b""] {
        assert!(!wire::auth::verify_plain("user", &secret, wrong));
    }
}
