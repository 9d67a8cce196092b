//! How hosts are looked after.

use super::Fallback::Value;
use super::{DURATION, SettingReference, TIMEOUT, setting};

pub(super) const HOST_CHECK_INTERVAL: SettingReference = setting(
    "host_check_interval",
    "duration, 0: never",
    Value("1s"),
    "How often each host of a database with several, or with `target_session_attrs`, is asked what it \
     is: primary or standby, how far behind. Every 200 ms while none will do. It is asked over one \
     connection to each host besides the pools. Other databases are asked nothing.",
);

pub(super) const HOST_CHECK_TIMEOUT: SettingReference = setting(
    "host_check_timeout",
    DURATION,
    Value("3s"),
    "A host that has not answered that by then is down: no new connections go there until it does.",
);

pub(super) const DNS_MAX_TTL: SettingReference = setting(
    "dns_max_ttl",
    TIMEOUT,
    Value("15s"),
    "How long the addresses that a host's name leads to are used; then it is looked up again, and \
     connections to addresses that are none of its any more are closed when they are free. 0: it is \
     looked up for each new connection, and connections that are open are left alone.",
);
