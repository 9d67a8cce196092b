//! What makes a pgweir one of several: who its peers are, and how clients get to it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use access::Networks;
use proxy::PeerId;

use super::resolve::Reader;
use super::used::Settings;
use super::values::{self, Raw};

/// What makes a pgweir one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// `peer_id`; none: there are no peers.
    pub peer_id: Option<PeerId>,
    /// `[peers.ID]`.
    pub peers: BTreeMap<PeerId, Peer>,
    /// `so_reuseport`.
    pub so_reuseport: bool,
    /// `listen_backlog`.
    pub listen_backlog: NonZeroU32,
    /// `proxy_protocol_from`.
    pub proxy_protocol_from: Networks,
}

/// Another pgweir, or a PgBouncer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Host name or address, or the directory of its Unix socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Cancel requests that are passed on to it at a time; none is `default_pool_size`.
    pub pool_size: Option<NonZeroU32>,
}

/// PgBouncer's default.
const PORT: u16 = 6432;
/// PgBouncer's is 128. A client that finds no room tries again after a second: a storm of logins is to
/// wait here instead.
const BACKLOG: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

impl Default for Fleet {
    fn default() -> Self {
        Self {
            peer_id: None,
            peers: BTreeMap::new(),
            so_reuseport: false,
            listen_backlog: BACKLOG,
            proxy_protocol_from: Networks::default(),
        }
    }
}

impl Fleet {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut found = Self::default();
        reader.set(&mut found.peer_id, "peer_id", own_id);
        reader.set(&mut found.so_reuseport, "so_reuseport", values::boolean);
        reader.set(&mut found.listen_backlog, "listen_backlog", values::count);
        reader.set(&mut found.proxy_protocol_from, "proxy_protocol_from", networks);
        found.peers = peers(reader);
        if found.peer_id.is_none() && !found.peers.is_empty() {
            reader.warn("[peers] has no effect without peer_id");
        }
        found
    }
}

impl Settings {
    /// Cancel requests that are passed on to a peer at a time.
    #[must_use]
    pub fn peer_pool_size(&self, peer: &Peer) -> u32 {
        peer.pool_size.unwrap_or(self.default_pool_size).get()
    }
}

fn own_id(raw: &Raw) -> Result<Option<PeerId>, String> {
    let id = values::whole(raw, 0, u32::from(PeerId::MAX.get()))?;
    Ok(u16::try_from(id).ok().and_then(PeerId::new))
}

fn networks(raw: &Raw) -> Result<Networks, String> {
    let texts = values::list(raw)?;
    Networks::parse(texts.iter().map(String::as_str))
}

fn peers(reader: &mut Reader) -> BTreeMap<PeerId, Peer> {
    let mut found = BTreeMap::new();
    for (name, section) in std::mem::take(&mut reader.written.peers) {
        let path = format!("peers.{name}");
        let at = (path.as_str(), &section);
        let host = reader.key(at, "host", values::text);
        let port = reader.key(at, "port", values::port).unwrap_or(PORT);
        let pool_size = reader.key(at, "pool_size", values::count);
        let Some(id) = name.parse().ok().and_then(PeerId::new) else {
            let most = PeerId::MAX;
            let message =
                format!("is not the number of a peer; write one from 1 to {most}, its `peer_id`");
            reader.problem(section.origin, path, message);
            continue;
        };
        match host {
            Some(host) => {
                found.insert(id, Peer { host, port, pool_size });
            }
            None if !section.values.contains_key("host") => {
                let message =
                    "needs a `host`: a name, an address, or the directory of a Unix socket";
                reader.problem(section.origin, path, message);
            }
            None => {}
        }
    }
    found
}
