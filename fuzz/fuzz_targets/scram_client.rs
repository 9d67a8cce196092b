//! What a server says in a SCRAM exchange. It does not know the password, and must not get through.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use wire::auth::{ClientBinding, ScramClient, ScramKeys};

static KEYS: LazyLock<ScramKeys> =
    LazyLock::new(|| ScramKeys::from_password(b"secret", b"salt salt salt s", 1));

#[derive(Arbitrary, Debug)]
struct Exchange<'a> {
    challenge: &'a [u8],
    /// With the client's nonce in front of it.
    is_answer: bool,
    /// With it bound to a channel.
    is_bound: bool,
    signature: &'a [u8],
}

fuzz_target!(|exchange: Exchange<'_>| {
    // With keys, so that an iteration count costs nothing.
    let (client, first) = ScramClient::with_keys(KEYS.clone(), [7; 18]);
    let (client, first) = match exchange.is_bound {
        true => client.bound(ClientBinding::EndPoint(vec![9; 32])),
        false => (client, first),
    };
    let first = String::from_utf8(first).unwrap();
    let (_, nonce) = first.split_once(",r=").unwrap();
    let challenge = match exchange.is_answer {
        true => [b"r=", nonce.as_bytes(), exchange.challenge].concat(),
        false => exchange.challenge.to_vec(),
    };
    let Ok((client, proof)) = client.challenge(&challenge) else { return };
    assert!(proof.len() <= 2 * challenge.len() + 100);
    assert!(client.finish(exchange.signature).is_err());
});
