//! Peers, and how clients get to one of several.

use super::{file, resolved, used, wrong};

const URL: &str = "upstream = \"postgres://app:pw@db/x\"\n";

#[test]
fn peers_have_a_host_and_are_known_by_their_number() {
    let written = format!(
        "{URL}peer_id = 1\ndefault_pool_size = 7\n[peers.2]\nhost = \"10.0.0.2\"\nport = 6500\n\
         pool_size = 3\n[peers.16383]\nhost = \"/run/pgweir-3\"\n"
    );
    let settings = used(file(&written));
    assert_eq!(settings.fleet.peer_id.map(proxy::PeerId::get), Some(1));
    let peers: Vec<_> = settings
        .fleet
        .peers
        .iter()
        .map(|(id, peer)| (id.get(), peer.host.as_str(), peer.port, settings.peer_pool_size(peer)))
        .collect();
    assert_eq!(peers, [(2, "10.0.0.2", 6500, 3), (16_383, "/run/pgweir-3", 6432, 7)]);
}

#[test]
fn what_is_no_peer_is_refused() {
    for (written, problem) in [
        ("peer_id = 16384\n", "peer_id: `16384` is not a whole number between 0 and 16383"),
        ("[peers.0]\nhost = \"x\"\n", "peers.0: is not the number of a peer"),
        ("[peers.two]\nhost = \"x\"\n", "peers.two: is not the number of a peer"),
        ("[peers.2]\nport = 1\n", "peers.2: needs a `host`"),
        ("[peers.2]\nhots = \"x\"\n", "peers.2.hots: "),
        ("peers = 1\n", "peers: is not a section"),
    ] {
        let problems = wrong(file(&format!("{URL}{written}")));
        assert!(problems.contains(problem), "{problems}");
    }
}

#[test]
fn peers_of_nobody_are_worth_a_word() {
    let warnings = resolved(file(&format!("{URL}[peers.2]\nhost = \"x\"\n"))).warnings;
    assert_eq!(warnings, ["[peers] has no effect without peer_id"]);
}

#[test]
fn balancers_are_networks_or_addresses() {
    for list in ["[\"10.0.0.0/8\", \"::1\"]", "\"10.0.0.0/8, ::1\""] {
        let settings = used(file(&format!("{URL}proxy_protocol_from = {list}\n")));
        let from = settings.fleet.proxy_protocol_from;
        assert!(from.contains("10.9.8.7".parse().unwrap()));
        assert!(!from.contains("127.0.0.1".parse().unwrap()));
        assert_eq!(from.texts().collect::<Vec<_>>(), ["10.0.0.0/8", "::1"]);
    }
    let problems = wrong(file(&format!("{URL}proxy_protocol_from = [\"10.0.0.0/40\"]\n")));
    assert!(problems.contains("proxy_protocol_from: `10.0.0.0/40` is not a network"), "{problems}");
}

#[test]
fn the_examples_of_the_manual_are_right() {
    let page = include_str!("../../../../../docs/fleet.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    for block in blocks {
        used(file(block));
    }
    let (_, map) = page.split_once("pgweir.toml: |\n").unwrap();
    let (map, _) = map.split_once("---").unwrap();
    let fleet = used(file(&map.replace("    ", ""))).fleet;
    assert_eq!(fleet.peers.len(), 3);
}
