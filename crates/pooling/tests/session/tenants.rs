//! Clients of one pool whose search paths lead to other tables of the same names.

use std::sync::Arc;

use model::{ClientId, PoolMode};
use pgweir_pooling::known::KnownStatements;

use crate::conversation::{Conversation, Server, from_client, server, show_server};
use crate::model_server::{ModelServer, OF_A_TENANT};

/// A server connection and what is at its other end.
struct Upstream(Server, ModelServer);

/// The client says this, and hears what comes of it.
fn ask(talk: &mut Conversation, upstream: &mut Upstream, said: &[&str]) -> String {
    let mut heard = Vec::new();
    talk.client_bytes(&mut upstream.0, &from_client(said)).unwrap();
    loop {
        let (to_server, to_client) = talk.output();
        heard.extend(to_client);
        let to_server = to_server.to_vec();
        talk.forget();
        if to_server.is_empty() {
            return show_server(&heard);
        }
        let answer = upstream.1.answer(&to_server);
        assert_eq!(talk.server_bytes(&mut upstream.0, &answer), Ok(true));
    }
}

fn client(number: u64, path: &[(&str, &str)], known: &Arc<KnownStatements>) -> Conversation {
    let mut talk = Conversation::of(ClientId(number), PoolMode::Transaction, path);
    talk.session = talk.session.with_known(Arc::clone(known));
    talk
}

/// How many of its Parses the server gets while two tenants say this in turns.
fn parses(first: &[&str], again: &[&str], paths: [&[(&str, &str)]; 2], begin: [&str; 2]) -> usize {
    let known = Arc::new(KnownStatements::default());
    let mut upstream = Upstream(server(10), ModelServer::default());
    let mut tenants = [client(1, paths[0], &known), client(2, paths[1], &known)];
    for turn in 0..20 {
        for (talk, begin) in tenants.iter_mut().zip(begin) {
            if !begin.is_empty() {
                ask(talk, &mut upstream, &["Q begin", begin]);
            }
            let heard = ask(talk, &mut upstream, if turn == 0 { first } else { again });
            assert!(heard.contains("C SELECT 1"), "turn {turn}: {heard}");
            if !begin.is_empty() {
                ask(talk, &mut upstream, &["Q commit"]);
            }
            assert!(!talk.attached);
        }
    }
    assert_eq!(known.epoch(), 0, "no statement of the pool is prepared again");
    upstream.1.parsed
}

const PATHS: [&[(&str, &str)]; 2] = [&[("search_path", "one")], &[("search_path", "other")]];

#[test]
fn tenants_that_alternate_prepare_once_each() {
    let prepare = format!("P s {OF_A_TENANT}");
    let again = ["B s", "E", "S"];
    let first = [&[&*prepare][..], &again].concat();
    assert_eq!(parses(&first, &again, PATHS, [""; 2]), 2);
}

#[test]
fn tenants_that_prepare_each_time_share_their_own() {
    let each = format!("P - {OF_A_TENANT}");
    let each = [&*each, "B -", "E", "S"];
    // As it is where nobody knows it, and then under a name.
    assert_eq!(parses(&each, &each, PATHS, [""; 2]), 4);
}

#[test]
fn clients_with_one_path_share() {
    let prepare = format!("P s {OF_A_TENANT}");
    let again = ["B s", "E", "S"];
    let first = [&[&*prepare][..], &again].concat();
    assert_eq!(parses(&first, &again, [PATHS[0]; 2], [""; 2]), 1);
    assert_eq!(parses(&first, &again, [&[]; 2], [""; 2]), 1);
}

#[test]
fn tenants_of_a_transaction_are_told_apart() {
    let begin = ["Q set local search_path to one", "Q set local search_path to other"];
    let prepare = format!("P s {OF_A_TENANT}");
    let again = ["B s", "E", "S"];
    let first = [&[&*prepare][..], &again].concat();
    assert_eq!(parses(&first, &again, [&[]; 2], begin), 2);
}

#[test]
fn what_may_change_the_path_in_a_transaction_ends_sharing_until_its_end() {
    let changes = [
        ("set local schema 'other'", "SET"),
        ("set local role web", "SET"),
        ("set session authorization web", "SET"),
        ("reset all", "RESET"),
        ("do $$ begin end $$", "DO"),
        ("select 1", ""),
    ];
    for (change, tag) in changes {
        let known = Arc::new(KnownStatements::default());
        let mut one = server(10);
        let mut other = client(1, &[], &known);
        other.client(&mut one, &["P s select 1", "S"]);
        other.server(&mut one, &["1", "Z I"]);
        let mut talk = client(2, &[], &known);
        talk.client(&mut one, &["Q begin", &format!("Q {change}")]);
        talk.server(&mut one, &["C BEGIN", "Z T", &format!("C {tag}"), "Z T"]);
        talk.forget();
        talk.client(&mut one, &["P s select 1", "S"]);
        let is_sent = talk.server_got().starts_with("P ");
        assert_eq!(is_sent, !tag.is_empty(), "{change}");
    }
}
