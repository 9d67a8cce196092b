//! What the system is asked to do with TCP connections.

use super::{BOOLEAN, SettingReference, Value, setting};

pub(super) const TCP_KEEPALIVE: SettingReference = setting(
    "tcp_keepalive",
    BOOLEAN,
    Value("true"),
    "Whether a client or a server that is silent is asked by the system whether it is still there. \
     This and the five below hold for TCP connections of clients and to servers that are opened from \
     then on.",
);

pub(super) const TCP_KEEPIDLE: SettingReference = setting(
    "tcp_keepidle",
    "whole seconds, 0: the system's",
    Value("60s"),
    "After how long a silence. With `tcp_keepintvl` and `tcp_keepcnt`, one that vanished without a \
     word is noticed in two minutes. PgBouncer leaves all three to the system, which on Linux takes \
     two hours.",
);

pub(super) const TCP_KEEPINTVL: SettingReference = setting(
    "tcp_keepintvl",
    "whole seconds, 0: the system's",
    Value("15s"),
    "How often it is asked again when it does not answer.",
);

pub(super) const TCP_KEEPCNT: SettingReference = setting(
    "tcp_keepcnt",
    "number up to 127, 0: the system's",
    Value("4"),
    "How often it is asked before its connection is closed.",
);

pub(super) const TCP_USER_TIMEOUT: SettingReference = setting(
    "tcp_user_timeout",
    "milliseconds, or a duration with its unit; 0: the system's",
    Value("0"),
    "How long what was sent may go unacknowledged before the connection is closed. The system's is \
     about a quarter of an hour. Only on Linux.",
);

pub(super) const TCP_SOCKET_BUFFER: SettingReference = setting(
    "tcp_socket_buffer",
    "size, 0: the system's",
    Value("0"),
    "Bytes that the system may hold for a connection, in each direction. The system's adapt \
     themselves.",
);
