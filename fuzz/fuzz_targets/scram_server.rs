//! What a client says in a SCRAM exchange. None of it can be right by chance.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use wire::auth::{ScramServer, ScramVerifier, ServerBinding};

static VERIFIER: LazyLock<ScramVerifier> =
    LazyLock::new(|| ScramVerifier::from_password(b"secret", b"salt salt salt s", 1));

#[derive(Arbitrary, Debug)]
struct Exchange<'a> {
    first: &'a [u8],
    /// Of a first message that is right, only the nonce.
    nonce: Option<&'a str>,
    /// What the server knows of the channel.
    binding: u8,
    last: &'a [u8],
    /// With the nonce that was agreed on in front of it.
    is_answer: bool,
}

fuzz_target!(|exchange: Exchange<'_>| {
    let (binding, header) = match exchange.binding % 3 {
        0 => (ServerBinding::NotOffered, "n,,"),
        1 => (ServerBinding::Offered, "n,,"),
        _ => (ServerBinding::Chosen(vec![9; 32]), "p=tls-server-end-point,,"),
    };
    let server = ScramServer::new(VERIFIER.clone(), [7; 18]).over(binding);
    let first = match exchange.nonce {
        Some(nonce) => format!("{header}n=,r={nonce}").into_bytes(),
        None => exchange.first.to_vec(),
    };
    let Ok((server, challenge)) = server.first(&first) else { return };
    let challenge = String::from_utf8(challenge).unwrap();
    let nonce = challenge.split(',').next().unwrap();
    let last = match exchange.is_answer {
        true => [b"c=biws,", nonce.as_bytes(), exchange.last].concat(),
        false => exchange.last.to_vec(),
    };
    assert!(server.finish(&last).is_err());
});
