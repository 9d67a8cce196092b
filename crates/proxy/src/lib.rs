//! The data path on tokio: listeners, clients, server connections, pools, cancel.
