//! The other poolers of a fleet: cancel requests for their clients are passed on to them.
//!
//! A balancer sends a cancel request to any of them. The key says whose client it is of
//! (`wire::cancel_key`); how often a request was passed on is counted in it, so that poolers that
//! contradict each other do not send it round for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use model::PeerStatus;
use parking_lot::RwLock;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use wire::{BackendKey, PeerId, startup};

use crate::error::ProxyError;
use crate::hosts::Endpoint;
use crate::stream::ServerAddress;
use crate::tcp::TcpOptions;

/// Another pooler of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its `peer_id`.
    pub id: PeerId,
    /// Where it listens.
    pub address: ServerAddress,
    /// Requests that are passed on to it at a time; further ones wait.
    pub pool_size: u32,
}

/// Who we are in the fleet, and who the others are.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    own: Option<PeerId>,
    pools: RwLock<BTreeMap<PeerId, Arc<PeerPool>>>,
}

/// The way to one of the others.
#[derive(Debug)]
pub(crate) struct PeerPool {
    peer: Peer,
    turns: Semaphore,
    waiting: AtomicU32,
    connecting: AtomicU32,
    active: AtomicU32,
}

/// Where a cancel request goes.
#[derive(Debug)]
pub(crate) enum Destination {
    /// It is for one of our clients, with this key.
    Here(BackendKey),
    /// It is passed on with this key.
    Peer(Arc<PeerPool>, BackendKey),
    /// Nowhere, and why.
    Nowhere(&'static str),
}

impl Peers {
    /// `own`: who we are; none if there is no fleet.
    pub(crate) fn new(own: Option<PeerId>, peers: &[Peer]) -> Self {
        let new = Self { own, pools: RwLock::default() };
        new.reconfigure(peers);
        new
    }

    /// From now on these are the others. Requests that are on their way get there.
    pub(crate) fn reconfigure(&self, peers: &[Peer]) {
        let mut pools = self.pools.write();
        let others = peers.iter().filter(|peer| Some(peer.id) != self.own);
        let new = others.map(|peer| match pools.get(&peer.id) {
            Some(known) if known.peer == *peer => (peer.id, Arc::clone(known)),
            _ => (peer.id, Arc::new(PeerPool::new(peer.clone()))),
        });
        *pools = new.collect();
    }

    /// A key for a new client, which is `number`; `long` if it takes more than four bytes.
    pub(crate) fn new_key(&self, number: i32, long: bool) -> BackendKey {
        let secret = if long {
            rand::random::<[u8; 32]>().to_vec()
        } else {
            rand::random::<[u8; 4]>().to_vec()
        };
        match self.own {
            Some(own) => BackendKey::of_peer(own, rand::random(), secret),
            None => BackendKey { process_id: number, secret },
        }
    }

    pub(crate) fn destination(&self, key: BackendKey) -> Destination {
        let Some(own) = self.own else { return Destination::Here(key) };
        let Some(peer) = key.peer() else { return Destination::Nowhere("its key is of no peer") };
        if peer == own {
            return Destination::Here(key.at_home());
        }
        let Some(pool) = self.pools.read().get(&peer).cloned() else {
            return Destination::Nowhere("its key is of a peer that is not known");
        };
        match key.passed_on() {
            Some(key) => Destination::Peer(pool, key),
            None => Destination::Nowhere("it was passed on too often"),
        }
    }

    pub(crate) fn status(&self) -> Vec<PeerStatus> {
        self.pools.read().values().map(|pool| pool.status()).collect()
    }
}

impl PeerPool {
    fn new(peer: Peer) -> Self {
        let turns = Semaphore::new(peer.pool_size as usize);
        Self {
            peer,
            turns,
            waiting: AtomicU32::new(0),
            connecting: AtomicU32::new(0),
            active: AtomicU32::new(0),
        }
    }

    fn status(&self) -> PeerStatus {
        PeerStatus {
            id: self.peer.id.get(),
            host: self.peer.address.host(),
            port: self.peer.address.port(),
            pool_size: self.peer.pool_size,
            cancels_waiting: self.waiting.load(Ordering::Relaxed),
            cancels_active: self.active.load(Ordering::Relaxed),
            connecting: self.connecting.load(Ordering::Relaxed),
        }
    }

    /// Passes on a request; done when the peer has dealt with it, or `timeout` is over. Cancel-safe:
    /// dropped, it gives up.
    pub(crate) async fn deliver(&self, key: &BackendKey, timeout: Duration, tcp: TcpOptions) {
        let result = tokio::time::timeout(timeout, self.send(key, tcp)).await;
        let result = result.unwrap_or(Err(ProxyError::TimedOut("cancel_wait_timeout")));
        if let Err(error) = result {
            let peer = &self.peer;
            tracing::warn!(peer = %peer.id, address = %peer.address,
                "cancel request not passed on: {error}");
        }
    }

    async fn send(&self, key: &BackendKey, tcp: TcpOptions) -> Result<(), ProxyError> {
        let waiting = Counted::new(&self.waiting);
        let _turn = self.turns.acquire().await.map_err(|_| ProxyError::Closed)?;
        drop(waiting);
        let connecting = Counted::new(&self.connecting);
        let mut stream = Endpoint::unresolved(&self.peer.address).connect(tcp).await?;
        drop(connecting);
        let _active = Counted::new(&self.active);
        stream.send(&startup::cancel_request(key.process_id, &key.secret)).await?;
        // The peer closes it when it has dealt with the request.
        let mut rest = [0; 16];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

/// One more, until it is dropped.
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: u16) -> Peer {
        let address = ServerAddress::new("127.0.0.1", 6432);
        Peer { id: PeerId::new(id).unwrap(), address, pool_size: 2 }
    }

    #[test]
    fn a_request_goes_to_the_peer_whose_key_it_is() {
        let all = [peer(1), peer(2)];
        let one = Peers::new(PeerId::new(1), &all);
        let two = Peers::new(PeerId::new(2), &all);
        for long in [false, true] {
            let key = two.new_key(5, long);
            let Destination::Peer(pool, passed) = one.destination(key.clone()) else {
                panic!("not passed on");
            };
            assert_eq!(pool.peer.id, PeerId::new(2).unwrap());
            let Destination::Here(found) = two.destination(passed) else {
                panic!("not taken");
            };
            assert_eq!(found, key);
        }
        assert_eq!(one.status().len(), 1, "we are no peer of our own");
    }

    /// Must survive: cancel requests that go round for ever
    #[test]
    fn a_request_does_not_go_round_for_ever() {
        // Each takes the other for a third.
        let one = Peers::new(PeerId::new(1), &[peer(3)]);
        let two = Peers::new(PeerId::new(2), &[peer(3)]);
        let mut key = Peers::new(PeerId::new(3), &[]).new_key(5, false);
        for pass in 0..3 {
            let peers = if pass % 2 == 0 { &one } else { &two };
            key = match peers.destination(key) {
                Destination::Peer(_, key) => key,
                other => panic!("{pass}: {other:?}"),
            };
        }
        assert!(matches!(one.destination(key), Destination::Nowhere(_)));
    }

    #[test]
    fn without_a_fleet_a_key_is_taken_as_it_is() {
        let alone = Peers::default();
        let key = alone.new_key(5, false);
        assert_eq!(key.process_id, 5);
        let Destination::Here(found) = alone.destination(key.clone()) else { panic!("not taken") };
        assert_eq!(found, key);
        let strange = BackendKey { process_id: 0, secret: vec![0; 4] };
        let one = Peers::new(PeerId::new(1), &[]);
        assert!(matches!(one.destination(strange), Destination::Nowhere(_)));
        let of_stranger = Peers::new(PeerId::new(9), &[]).new_key(5, false);
        assert!(matches!(one.destination(of_stranger), Destination::Nowhere(_)));
    }
}
