//! Who clients are, and what they may do.

use super::Fallback::{Depends, Unset, Value};
use super::{NAMES, SettingReference, TEXT, setting};

pub(super) const AUTH_TYPE: SettingReference = setting(
    "auth_type",
    "scram-sha-256, md5, plain, cert, hba, trust, any",
    Depends("scram-sha-256; trust if no user has a password and `listen` is a loopback address"),
    "How clients prove who they are. `plain` asks for the password in cleartext. An MD5 hash is \
     checked with md5 or plain; users with a SCRAM verifier are checked by SCRAM where md5 is \
     written. `hba`: as `auth_hba_file` says. `any` lets everybody in, and needs a `user` in \
     every database. See docs/authentication.md.",
);

pub(super) const AUTH_FILE: SettingReference = setting(
    "auth_file",
    "file",
    Unset,
    "Users and passwords as in PgBouncer's userlist: `\"user\" \"password\"` on each line, where \
     the password may be `md5…` or `SCRAM-SHA-256$…`. [users.NAME] goes before it.",
);

pub(super) const AUTH_HBA_FILE: SettingReference = setting(
    "auth_hba_file",
    "file",
    Unset,
    "Rules as in pg_hba.conf, for auth_type hba. The first line that fits decides.",
);

pub(super) const AUTH_IDENT_FILE: SettingReference = setting(
    "auth_ident_file",
    "file",
    Unset,
    "Maps as in pg_ident.conf, for `map=` in `auth_hba_file`.",
);

pub(super) const AUTH_USER: SettingReference = setting(
    "auth_user",
    TEXT,
    Depends("the URL's user"),
    "Who asks the server, by `auth_query`, about users that neither [users.NAME] nor \
     `auth_file` names. It must be allowed to read what the query reads.",
);

pub(super) const AUTH_QUERY: SettingReference = setting(
    "auth_query",
    "SQL",
    Depends("what pg_authid has of users that may log in and whose VALID UNTIL is not over"),
    "Returns a user's name and password, verifier or hash; `$1` is the name. No row or NULL is \
     nobody. It runs with search_path pg_catalog: write functions with their schema.",
);

pub(super) const AUTH_DBNAME: SettingReference = setting(
    "auth_dbname",
    TEXT,
    Depends("the database that the client asks for; with one URL, the URL's, else postgres"),
    "The database in which `auth_query` runs: one of [databases.NAME], or one on the server \
     that the client wants to reach.",
);

pub(super) const ADMIN_USERS: SettingReference = setting(
    "admin_users",
    NAMES,
    Depends("the URL's user"),
    "Who may run commands in the admin console (databases `pgweir` and `pgbouncer`).",
);

pub(super) const STATS_USERS: SettingReference =
    setting("stats_users", NAMES, Value(""), "Who may look, and only look, in the admin console.");
