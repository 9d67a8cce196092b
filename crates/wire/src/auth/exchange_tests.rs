//! The password exchanges, both sides against each other and against known vectors.

use proptest::prelude::*;

use super::*;
use crate::WireError;

/// From PostgreSQL 15's pg_authid, for the password `p€ncil ⅸ`, which SASLprep changes.
const STORED_BY_POSTGRESQL: &str = "SCRAM-SHA-256$4096:x06Cs8j71N7scdKSsxHxuw==\
    $wofaiwPS7KFDyV/QHfa6LcLGFE7OI1nyNiDhBQgMjf0=:n5YRV+Hb4xRG/auxZz/y34n2FkkDckwo6YMXjAtq9M8=";

const CLIENT_RANDOM: NonceBytes = *b"client's own nonce";
const SERVER_RANDOM: NonceBytes = *b"server's own nonce";

fn verifier(password: &str) -> ScramVerifier {
    ScramVerifier::from_password(password.as_bytes(), b"sixteen of salt.", 2)
}

/// A whole login: what the server found, and what the client found if the server was content.
fn login(
    client: (ScramClient<AwaitingChallenge>, Vec<u8>),
    verifier: ScramVerifier,
) -> Result<ScramAccepted, WireError> {
    let (client, client_first) = client;
    let (server, server_first) = ScramServer::new(verifier, SERVER_RANDOM).first(&client_first)?;
    let (client, client_final) = client.challenge(&server_first)?;
    let accepted = server.finish(&client_final)?;
    client.finish(&accepted.server_final)?;
    Ok(accepted)
}

#[test]
fn rfc_7677_section_3() {
    let salt = scram_attributes::decode_base64("W22ZaJ0SNY7soEsUEjb6gQ==", "").unwrap();
    let verifier = ScramVerifier::from_password(b"pencil", &salt, 4096);
    let (client, client_first) = ScramClient::with_nonce("pencil", "user", "rOprNGfwEbeRWgbNEkqO");
    assert_eq!(client_first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");

    let server = ScramServer::with_nonce(verifier, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned());
    let (server, server_first) = server.first(&client_first).unwrap();
    assert_eq!(
        server_first,
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    );
    let (client, client_final) = client.challenge(&server_first).unwrap();
    assert_eq!(
        client_final,
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
          p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    let accepted = server.finish(&client_final).unwrap();
    assert_eq!(accepted.server_final, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_eq!(client.finish(&accepted.server_final), Ok(()));
}

#[test]
fn a_verifier_stored_by_postgresql_accepts_its_password_only() {
    let Secret::Scram(stored) = Secret::parse(STORED_BY_POSTGRESQL) else { panic!() };
    login(ScramClient::new("p€ncil ⅸ", CLIENT_RANDOM), stored.clone()).unwrap();
    login(ScramClient::new("p€ncil ix", CLIENT_RANDOM), stored.clone()).unwrap();
    let wrong = login(ScramClient::new("pencil", CLIENT_RANDOM), stored);
    assert_eq!(wrong.unwrap_err(), WireError::PasswordRejected);
}

#[test]
fn the_keys_of_one_login_make_the_next() {
    let accepted = login(ScramClient::new("pw", CLIENT_RANDOM), verifier("pw")).unwrap();
    let again = ScramClient::with_keys(accepted.keys.clone(), *b"quite another one.");
    login(again, verifier("pw")).unwrap();

    let elsewhere = ScramVerifier::from_password(b"pw", b"another salt", 2);
    let refused = login(ScramClient::with_keys(accepted.keys, CLIENT_RANDOM), elsewhere);
    assert_eq!(refused.unwrap_err(), WireError::PasswordRejected);
}

#[test]
fn an_unknown_user_looks_like_a_wrong_password() {
    let seed = MockSeed::new([7; 32]);
    let known = ScramVerifier::from_password(b"pw", &seed.salt("amy"), DEFAULT_ITERATIONS);
    let (_, client_first) = ScramClient::new("guess", CLIENT_RANDOM);
    let challenge = |verifier: ScramVerifier| {
        ScramServer::new(verifier, SERVER_RANDOM).first(&client_first).unwrap().1
    };
    let for_known = challenge(known.clone());
    let for_unknown = challenge(seed.scram_verifier("bob"));
    // Of the same form, the same at every attempt, and different from user to user.
    assert_eq!(for_known.len(), for_unknown.len());
    assert_eq!(for_unknown, challenge(seed.scram_verifier("bob")));
    assert_ne!(for_unknown, challenge(seed.scram_verifier("eve")));
    // Not even the salt changes when the user is created.
    assert_eq!(for_known, challenge(seed.scram_verifier("amy")));

    for verifier in [known, seed.scram_verifier("bob")] {
        let refused = login(ScramClient::new("guess", CLIENT_RANDOM), verifier).unwrap_err();
        assert_eq!(refused, WireError::PasswordRejected);
        assert_eq!(refused.sqlstate(), "28P01");
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    let (client, client_first) = ScramClient::new("pw", CLIENT_RANDOM);
    let impostor = ScramServer::new(verifier("guess"), SERVER_RANDOM);
    let (_, server_first) = impostor.first(&client_first).unwrap();
    let (client, _) = client.challenge(&server_first).unwrap();
    let signature = format!("v={}", scram_attributes::encode_base64(&[0; 32]));
    assert_eq!(client.finish(signature.as_bytes()), Err(WireError::ScramServerSignature));
}

#[test]
fn what_a_client_may_not_say_first() {
    let malformed = |detail| WireError::MalformedScram(detail);
    let cases: [(&[u8], WireError); 13] = [
        (b"", malformed("unexpected channel-binding flag")),
        (b"n", malformed("comma expected after the channel-binding flag")),
        (b"n,", malformed("message ends early")),
        (b"x,,n=,r=abc", malformed("unexpected channel-binding flag")),
        (
            b"p=tls-server-end-point,,n=,r=abc",
            malformed("channel binding in a mechanism without it"),
        ),
        (b"n,a=root,n=,r=abc", WireError::ScramAuthorizationIdentity),
        (b"n,,m=1,n=,r=abc", WireError::ScramExtension),
        (b"n,,r=abc,n=", malformed("user name expected")),
        (b"n,,n=", malformed("nonce expected")),
        (b"n,,n=,r=", malformed("non-printable characters in nonce")),
        (b"n,,n=,r=a\x7f", malformed("non-printable characters in nonce")),
        (b"n,,n=\0,r=abc", malformed("null character")),
        (b"n,,n=\xff,r=abc", malformed("not UTF-8")),
    ];
    for (message, expected) in cases {
        let refused = ScramServer::new(verifier("pw"), SERVER_RANDOM).first(message);
        assert_eq!(refused.unwrap_err(), expected, "{message:?}");
    }
    let long = format!("n,,n=,r={}", "a".repeat(2_000));
    let refused = ScramServer::new(verifier("pw"), SERVER_RANDOM).first(long.as_bytes());
    assert_eq!(refused.unwrap_err(), malformed("message too long"));
}

#[test]
fn what_a_client_may_not_say_last() {
    let proof = scram_attributes::encode_base64(&[0; 32]);
    let nonce = format!("abc{}", scram_attributes::encode_base64(&SERVER_RANDOM));
    let finish = |client_final: String| {
        let server = ScramServer::new(verifier("pw"), SERVER_RANDOM);
        let (server, _) = server.first(b"y,,n=,r=abc").unwrap();
        server.finish(client_final.as_bytes()).unwrap_err()
    };
    // The first is in order but for its proof: the others fail for their own reason.
    assert_eq!(finish(format!("c=eSws,r={nonce},p={proof}")), WireError::PasswordRejected);
    assert_eq!(finish(format!("c=biws,r={nonce},p={proof}")), WireError::ScramChannelBinding);
    assert_eq!(finish(format!("c=eSws,r=abc,p={proof}")), WireError::ScramNonce);
    assert_eq!(
        finish(format!("c=eSws,r={nonce},p=AAAA")),
        WireError::MalformedScram("malformed proof"),
    );
    assert_eq!(finish(format!("c=eSws,r={nonce}")), WireError::MalformedScram("proof expected"),);
    assert_eq!(
        finish(format!("c=eSws,r={nonce},p={proof},x=y")),
        WireError::MalformedScram("malformed proof"),
    );
}

#[test]
fn what_a_server_may_not_challenge_with() {
    let challenge = |server_first: &str| {
        ScramClient::with_nonce("pw", "", "abc").0.challenge(server_first.as_bytes()).unwrap_err()
    };
    let malformed = WireError::MalformedScram;
    assert_eq!(challenge("r=abc,s=c2FsdA==,i=1"), WireError::ScramNonce);
    assert_eq!(challenge("r=xyz123,s=c2FsdA==,i=1"), WireError::ScramNonce);
    assert_eq!(challenge("r=abcd,s=c2FsdA==,i=0"), WireError::ScramIterations(0));
    assert_eq!(
        challenge("r=abcd,s=c2FsdA==,i=4000000000"),
        WireError::ScramIterations(4_000_000_000),
    );
    assert_eq!(challenge("r=abcd,s=c2FsdA==,i=-1"), malformed("malformed iteration count"));
    assert_eq!(challenge("r=abcd,s=?,i=1"), malformed("malformed salt"));
    assert_eq!(challenge("r=abcd,s=c2FsdA=="), malformed("iteration count expected"));
    assert_eq!(
        challenge("r=abcd,s=c2FsdA==,i=1,x=y"),
        malformed("garbage after the iteration count"),
    );
    assert_eq!(challenge("m=1,r=abcd,s=c2FsdA==,i=1"), WireError::ScramExtension);
    assert_eq!(
        challenge(&format!("r=abc{},s=c2FsdA==,i=1", "d".repeat(5_000))),
        malformed("message too long"),
    );
}

#[test]
fn a_server_may_say_why_it_refuses() {
    let (client, _) = ScramClient::with_nonce("pw", "", "abc");
    let (client, _) = client.challenge(b"r=abcd,s=c2FsdA==,i=1").unwrap();
    let error = client.finish(b"e=invalid-proof").unwrap_err();
    assert_eq!(error, WireError::ScramServerError("invalid-proof".to_owned()));
    assert_eq!(error.sqlstate(), "08006");
}

/// From PostgreSQL 15's pg_authid, for user `bob` and password `secret`.
const MD5_OF_BOB: &str = "md521f3163f8f86fa10bdefbfbd502a8f06";

#[test]
fn md5_as_postgresql_does_it() {
    let response = "md5f21dfe33ff3a9e03dbc3e008251fe5cc";
    let plain = Secret::parse("secret");
    let stored = Secret::parse(MD5_OF_BOB);
    for secret in [&plain, &stored] {
        assert_eq!(md5_response("bob", secret, [1, 2, 3, 4]).as_deref(), Some(response));
        assert!(verify_md5("bob", secret, [1, 2, 3, 4], response.as_bytes()));
        assert!(!verify_md5("bob", secret, [1, 2, 3, 5], response.as_bytes()));
        assert!(!verify_md5("bob", secret, [1, 2, 3, 4], b""));
        assert!(!verify_md5("bob", secret, [1, 2, 3, 4], MD5_OF_BOB.as_bytes()));
    }
    assert!(!verify_md5("amy", &plain, [1, 2, 3, 4], response.as_bytes()));
    let scram = Secret::Scram(verifier("secret"));
    assert_eq!(md5_response("bob", &scram, [1, 2, 3, 4]), None);
    assert!(!verify_md5("bob", &scram, [1, 2, 3, 4], b""));
    let seed = MockSeed::new([7; 32]);
    assert!(!verify_md5("bob", &seed.md5_secret("bob"), [1, 2, 3, 4], response.as_bytes()));
}

#[test]
fn a_password_in_clear_text_fits_every_kind_of_secret() {
    let secrets =
        [Secret::parse("secret"), Secret::parse(MD5_OF_BOB), Secret::Scram(verifier("secret"))];
    for secret in secrets {
        assert!(verify_plain("bob", &secret, b"secret"), "{secret:?}");
        for wrong in [&b""[..], b"Secret", b"secret ", b"\xff", MD5_OF_BOB.as_bytes()] {
            assert!(!verify_plain("bob", &secret, wrong), "{secret:?} {wrong:?}");
        }
    }
    assert!(!verify_plain("bob", &MockSeed::new([0; 32]).md5_secret("bob"), b""));
}

#[test]
fn secrets_are_recognised_as_postgresql_recognises_them() {
    assert!(matches!(Secret::parse(MD5_OF_BOB), Secret::Md5([0x21, 0xf3, .., 0x06])));
    assert!(matches!(Secret::parse(STORED_BY_POSTGRESQL), Secret::Scram(_)));
    let passwords = [
        String::new(),
        "md5".to_owned(),
        MD5_OF_BOB.to_uppercase(),
        format!("{MD5_OF_BOB}0"),
        MD5_OF_BOB.replace('f', "g"),
        STORED_BY_POSTGRESQL.replace("4096", "0"),
        STORED_BY_POSTGRESQL.replace("4096", "-1"),
        STORED_BY_POSTGRESQL.replace(":x0", ":?"),
        STORED_BY_POSTGRESQL.replace("$wo", "$"),
        STORED_BY_POSTGRESQL.replace(":n5", ""),
    ];
    for text in passwords {
        assert!(matches!(Secret::parse(&text), Secret::Plain(kept) if kept == text), "{text}");
    }
}

#[test]
fn debugging_shows_no_secret() {
    let secret = Secret::parse("hunter2");
    let stored = Secret::parse(STORED_BY_POSTGRESQL);
    let keys = ScramKeys::from_password(b"hunter2", b"salt", 1);
    let (client, _) = ScramClient::new("hunter2", CLIENT_RANDOM);
    let server = ScramServer::new(verifier("hunter2"), SERVER_RANDOM);
    let seed = MockSeed::new([7; 32]);
    let shown = format!("{secret:?} {stored:?} {keys:?} {client:?} {server:?} {seed:?}");
    for private in ["hunter2", "x06C", "wofa", "n5YR", "["] {
        assert!(!shown.contains(private), "{private} in {shown}");
    }
}

/// Bytes that are near to a valid message: a valid one, cut, with some bytes exchanged.
fn damaged(message: &[u8], cut: usize, changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    bytes.truncate(bytes.len().saturating_sub(cut));
    for &(at, to) in changes {
        if let Some(byte) = bytes.get_mut(at % message.len().max(1)) {
            *byte = to;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_right_password_and_no_other_is_accepted(right: String, other: String) {
        login(ScramClient::new(&right, CLIENT_RANDOM), verifier(&right)).unwrap();
        let refused = login(ScramClient::new(&other, CLIENT_RANDOM), verifier(&right));
        // SASLprep takes some different texts for the same password.
        let same = verify_plain("", &Secret::Scram(verifier(&right)), other.as_bytes());
        prop_assert_eq!(refused.is_ok(), same);
    }

    #[test]
    fn garbage_is_never_accepted(first: Vec<u8>, last: Vec<u8>) {
        prop_assert!(ScramServer::new(verifier("pw"), SERVER_RANDOM).first(&first).is_err());
        let (server, _) =
            ScramServer::new(verifier("pw"), SERVER_RANDOM).first(b"n,,n=,r=abc").unwrap();
        prop_assert!(server.finish(&last).is_err());

        let (client, _) = ScramClient::with_nonce("pw", "", "abc");
        prop_assert!(client.challenge(&first).is_err());
        let (client, _) = ScramClient::with_nonce("pw", "", "abc");
        let (client, _) = client.challenge(b"r=abcd,s=c2FsdA==,i=1").unwrap();
        prop_assert!(client.finish(&last).is_err());
    }

    #[test]
    fn a_damaged_exchange_is_never_accepted(
        step in 0..4,
        cut in 0..60_usize,
        changes in prop::collection::vec((0..200_usize, any::<u8>()), 0..3),
    ) {
        let mut was_damaged = false;
        let mut transmit = |now: i32, message: Vec<u8>| {
            if now != step {
                return message;
            }
            let received = damaged(&message, cut, &changes);
            was_damaged = received != message;
            received
        };
        let exchange = (|| {
            let (client, first) = ScramClient::new("pw", CLIENT_RANDOM);
            let server = ScramServer::new(verifier("pw"), SERVER_RANDOM);
            let (server, challenge) = server.first(&transmit(0, first))?;
            let challenge = transmit(1, challenge);
            // The iteration count is the server's to choose; do not compute a million.
            if challenge.windows(3).any(|bytes| bytes == b",i=") && !challenge.ends_with(b",i=2") {
                return Err(WireError::ScramIterations(0));
            }
            let (client, last) = client.challenge(&challenge)?;
            let accepted = server.finish(&transmit(2, last))?;
            client.finish(&transmit(3, accepted.server_final))
        })();
        prop_assert_eq!(exchange.is_ok(), !was_damaged);
    }
}
