//! Encryption.

use super::Fallback::{Unset, Value};
use super::{SettingReference, setting};

const PEM: &str = "PEM file";
const SSL_MODE: &str = "disable, allow, prefer, require, verify-ca, verify-full";
const TLS_VERSIONS: &str = "tlsv1.2, tlsv1.3, secure";

pub(super) const CLIENT_TLS_SSLMODE: SettingReference = setting(
    "client_tls_sslmode",
    SSL_MODE,
    Value("disable"),
    "Encryption of clients' connections. allow and prefer: as the client wants. require: \
     unencrypted connections are refused, but for Unix sockets. verify-ca and verify-full: the \
     client also shows a certificate of an authority in `client_tls_ca_file`.",
);

pub(super) const CLIENT_TLS_KEY_FILE: SettingReference =
    setting("client_tls_key_file", PEM, Unset, "The key of `client_tls_cert_file`.");

pub(super) const CLIENT_TLS_CERT_FILE: SettingReference = setting(
    "client_tls_cert_file",
    PEM,
    Unset,
    "The certificate that clients are shown, followed by those between it and its authority.",
);

pub(super) const CLIENT_TLS_CA_FILE: SettingReference = setting(
    "client_tls_ca_file",
    PEM,
    Unset,
    "The authorities of clients' certificates. In the modes below verify-ca, a client may show \
     a certificate, and one of another authority is as good as none.",
);

pub(super) const CLIENT_TLS_PROTOCOLS: SettingReference = setting(
    "client_tls_protocols",
    TLS_VERSIONS,
    Value("secure"),
    "Versions of TLS for clients. secure is both; PgBouncer's all and legacy mean the same.",
);

pub(super) const SERVER_TLS_SSLMODE: SettingReference = setting(
    "server_tls_sslmode",
    SSL_MODE,
    Value("prefer"),
    "Encryption of server connections, as `sslmode` in libpq: allow tries without it first, \
     prefer uses it if the server has it, require insists, verify-ca also checks that the \
     server's certificate is of an authority in `server_tls_ca_file`, verify-full also that it \
     is for the host.",
);

pub(super) const SERVER_TLS_CA_FILE: SettingReference = setting(
    "server_tls_ca_file",
    "PEM file, or `system`",
    Unset,
    "The authorities of servers' certificates; `system`: those that this system trusts. A \
     server's own certificate may stand here too.",
);

pub(super) const SERVER_TLS_KEY_FILE: SettingReference =
    setting("server_tls_key_file", PEM, Unset, "The key of `server_tls_cert_file`.");

pub(super) const SERVER_TLS_CERT_FILE: SettingReference = setting(
    "server_tls_cert_file",
    PEM,
    Unset,
    "The certificate that servers are shown which ask for one.",
);

pub(super) const SERVER_TLS_PROTOCOLS: SettingReference = setting(
    "server_tls_protocols",
    TLS_VERSIONS,
    Value("secure"),
    "Versions of TLS for server connections.",
);
