//! Logins bound to a TLS channel, and what gives a man in the middle away.

use super::*;
use crate::WireError;

const RANDOM: NonceBytes = *b"eighteen of random";

fn verifier() -> ScramVerifier {
    ScramVerifier::from_password(b"pw", b"sixteen of salt.", 2)
}

fn login(client: ClientBinding, server: ServerBinding) -> Result<(), WireError> {
    let (client, first) = ScramClient::new("pw", RANDOM).0.bound(client);
    let (server, challenge) = ScramServer::new(verifier(), RANDOM).over(server).first(&first)?;
    let (client, last) = client.challenge(&challenge)?;
    client.finish(&server.finish(&last)?.server_final)
}

fn end_point(byte: u8) -> Vec<u8> {
    vec![byte; 32]
}

#[test]
fn both_ends_of_one_channel_agree() {
    let (client, server) = (ClientBinding::EndPoint, ServerBinding::Chosen);
    assert_eq!(login(client(end_point(1)), server(end_point(1))), Ok(()));
    let elsewhere = login(client(end_point(1)), server(end_point(2))).unwrap_err();
    assert_eq!(elsewhere, WireError::ScramChannelMismatch);
    assert_eq!(elsewhere.sqlstate(), "28000");
}

#[test]
fn what_goes_without_binding() {
    assert_eq!(login(ClientBinding::Unsupported, ServerBinding::NotOffered), Ok(()));
    assert_eq!(login(ClientBinding::NotOffered, ServerBinding::NotOffered), Ok(()));
    assert_eq!(login(ClientBinding::Unsupported, ServerBinding::Offered), Ok(()));
}

#[test]
fn an_offer_that_was_taken_out_on_its_way_is_noticed() {
    let error = login(ClientBinding::NotOffered, ServerBinding::Offered).unwrap_err();
    assert_eq!(error, WireError::ScramDowngrade);
    assert_eq!(error.sqlstate(), "08P01");
}

#[test]
fn the_mechanism_and_the_flag_must_fit() {
    let malformed = WireError::MalformedScram;
    let unasked = malformed("channel binding in a mechanism without it");
    for server in [ServerBinding::NotOffered, ServerBinding::Offered] {
        assert_eq!(login(ClientBinding::EndPoint(end_point(1)), server), Err(unasked.clone()));
    }
    for client in [ClientBinding::Unsupported, ClientBinding::NotOffered] {
        let missing = malformed("no channel binding in a mechanism with it");
        assert_eq!(login(client, ServerBinding::Chosen(end_point(1))), Err(missing));
    }
    let other = ScramServer::new(verifier(), RANDOM).over(ServerBinding::Chosen(end_point(1)));
    let refused = other.first(b"p=tls-unique,,n=,r=abc").unwrap_err();
    assert_eq!(refused, WireError::ScramChannelBindingType);
}

#[test]
fn a_flag_changed_on_its_way_is_noticed() {
    let (client, _) = ScramClient::new("pw", RANDOM).0.bound(ClientBinding::NotOffered);
    let first = ScramClient::new("pw", RANDOM).1;
    let offered = ScramServer::new(verifier(), RANDOM).over(ServerBinding::Offered);
    let (server, challenge) = offered.first(&first).unwrap();
    let (_, last) = client.challenge(&challenge).unwrap();
    assert_eq!(server.finish(&last).unwrap_err(), WireError::ScramChannelBinding);
}
