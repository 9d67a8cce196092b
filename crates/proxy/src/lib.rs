//! The data path on tokio: listeners, clients, server connections, pools, cancel.
//!
//! One task owns a client's socket and, while it holds one, the server's socket: no channel hop, no
//! spawn and no lock held across an await, per query. What the bytes mean is decided in `pooling`.

mod admin;
mod attempt;
mod buffer;
mod client;
mod error;
mod events;
mod hosts;
mod login_settings;
mod lookup;
mod peers;
mod pool;
mod proxy;
mod server;
mod settings;
mod status;
mod stream;
mod tcp;
mod tls;

pub use admin::{AdminConsole, AdminRole, BoxFuture};
pub use client::{ClientMemento, MovingClient, Passage};
pub use error::ProxyError;
pub use events::EventBuffer;
pub use hosts::HostSettings;
pub use login_settings::{AuthType, FindLookup, LoginSettings, LookupTarget};
pub use peers::Peer;
pub use pooling::hosts::{LoadBalance, TargetSessionAttrs, Wish};
pub use pooling::priorities::Priorities;
pub use pooling::timeouts::Timeouts;
pub use proxy::{
    CancelRequest, HoldsNothing, Listeners, Measures, PassedListeners, PassedSocket, Proxy,
};
pub use settings::{FindPool, Listening, Maxima, PoolTarget, ProxySettings, UnixSocketPlace};
pub use stream::{Handover, ServerAddress};
pub use tcp::TcpOptions;
pub use tls::{
    ChannelBinding, ClientTls, ClientTlsFiles, PeerCertificate, ServerTls, ServerTlsFiles, SslMode,
    TlsError, TlsPart, TlsProtocols, end_point_hash,
};
pub use wire::PeerId;
